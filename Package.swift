// swift-tools-version: 6.2
import PackageDescription

// The arrows between these targets are the architecture (ARCHITECTURE.md §2); Tests/Tidy holds them.

/// Every target of ours is Swift 6 with complete concurrency checking.
let house: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]
/// In CI a warning in what ships is an error. Not in tests: the testing macros warn of sound code.
let strict: [SwiftSetting] = house + (Context.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)])

/// A Swift target with the house settings.
func target(_ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource]? = nil) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

/// A test target with the house settings.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: house)
}

extension Target.Dependency {
    static let nioCore = product(name: "NIOCore", package: "swift-nio")
    static let nioPosix = product(name: "NIOPosix", package: "swift-nio")
    static let nioEmbedded = product(name: "NIOEmbedded", package: "swift-nio")
    static let nioSSL = product(name: "NIOSSL", package: "swift-nio-ssl")
    static let logging = product(name: "Logging", package: "swift-log")
    static let metrics = product(name: "Metrics", package: "swift-metrics")
    static let lifecycle = product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let signals = product(name: "UnixSignals", package: "swift-service-lifecycle")
    static let hummingbird = product(name: "Hummingbird", package: "hummingbird")
    static let jwt = product(name: "JWTKit", package: "jwt-kit")
    static let nioHTTP1 = product(name: "NIOHTTP1", package: "swift-nio")
    static let nioWebSocket = product(name: "NIOWebSocket", package: "swift-nio")
    static let cryptoExtras = product(name: "CryptoExtras", package: "swift-crypto")
    static let system = product(name: "SystemPackage", package: "swift-system")
    static let crypto = product(name: "Crypto", package: "swift-crypto")
    static let httpClient = product(name: "AsyncHTTPClient", package: "async-http-client")
    static let grdb = product(name: "GRDB", package: "GRDB.swift")
    static let configuration = product(name: "Configuration", package: "swift-configuration")
    static let arguments = product(name: "ArgumentParser", package: "swift-argument-parser")
    static let histogram = product(name: "Histogram", package: "hdrhistogram-swift")
}

let package = Package(
    name: "apus",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "apus", targets: ["apus"]),
        .executable(name: "apus-echo", targets: ["apus-echo"]),
        .executable(name: "apus-loadtest", targets: ["apus-loadtest"]),
        .executable(name: "apus-plain-nio", targets: ["apus-plain-nio"]),
        .executable(name: "apus-microbench", targets: ["apus-microbench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.0"),
        .package(url: "https://github.com/vapor/jwt-kit.git", from: "5.7.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(
            url: "https://github.com/apple/swift-configuration.git", from: "1.4.0",
            traits: ["JSON", "YAML", "CommandLineArguments"]),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-system.git", from: "1.8.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift.git", from: "0.2.0"),
    ],
    targets: [
        // Values, limits, errors. Standard library only.
        target("Core"),
        // Bytes: JSON, operations, events, WebSocket frames.
        target("Wire", ["Core", .nioCore]),

        // Domains: decisions without I/O, and the ports they need.
        target("Timelines", ["Core"]),
        target("Notifications", ["Core", "Wire"]),
        target("Presence", ["Core"]),
        target("Chat", ["Core", "Wire"]),

        // Port: messages between nodes and from backends.
        target("Bus", ["Core"]),

        // The server: sockets, sessions, hub, routing, API.
        target(
            "Gateway",
            [
                "Core", "Wire", "Timelines", "Notifications", "Presence", "Chat", "Bus",
                .nioCore, .nioPosix, .nioHTTP1, .nioSSL, .logging, .metrics, .lifecycle, .hummingbird, .jwt,
                .httpClient,
                .crypto,
            ]),

        // Adapters.
        .systemLibrary(name: "CHiredis", pkgConfig: "hiredis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "CNats", pkgConfig: "libnats", providers: [.apt(["libnats-dev"])]),
        target(
            "RedisStore",
            [
                "Core", "Timelines", "Notifications", "Presence", "Chat", "CHiredis",
                .nioCore, .nioPosix, .nioSSL, .logging, .metrics,
            ],
            resources: [.embedInCode("Scripts")]),
        target("NATSBus", ["Core", "Bus", "CNats", .logging, .metrics]),
        target(
            "Embedded", ["Core", "Timelines", "Notifications", "Presence", "Chat", "Bus", .grdb, .logging, .metrics]),

        // The JavaScript client and the demo page, as bytes in the executable.
        .target(
            name: "CDemoSite", path: "clients", exclude: ["package.json", "testing", "demo", "js"],
            sources: ["demo_site.c"], publicHeadersPath: "include"),

        // Executables: the only places that name concrete adapters.
        .executableTarget(
            name: "apus",
            dependencies: [
                "Core", "Wire", "Timelines", "Notifications", "Presence", "Chat", "Bus", "Gateway", "RedisStore",
                "NATSBus",
                "Embedded", "CDemoSite", .configuration, .arguments, .system, .logging, .metrics, .signals, .nioCore,
                .nioPosix,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "apus-echo",
            dependencies: ["Core", "Wire", "Gateway", .nioCore, .nioPosix, .arguments],
            swiftSettings: strict),
        .executableTarget(
            name: "apus-loadtest",
            dependencies: [
                "Core", "Wire", "NATSBus", "Spawn", "CEvents", .crypto, .arguments, .histogram,
            ],
            path: "loadtest",
            swiftSettings: strict),

        // Micro-benchmarks. The hot paths stand in a library, because tests hold them too.
        .target(name: "CAllocationCount", path: "benchmarks/allocations"),
        .target(
            name: "HotPaths",
            dependencies: [
                "CAllocationCount", "Core", "Wire", "Notifications", "Chat", "Bus", "Gateway", "RedisStore", "Embedded",
                .logging, .nioCore, .nioPosix,
            ],
            path: "benchmarks/cases", swiftSettings: strict),
        // What other servers are compared with besides: SwiftNIO's own handlers.
        .executableTarget(
            name: "apus-plain-nio", dependencies: [.nioCore, .nioPosix, .nioHTTP1, .nioWebSocket],
            path: "benchmarks/plain-nio", swiftSettings: strict),
        .executableTarget(
            name: "apus-microbench", dependencies: ["HotPaths", "Gateway", .arguments, .metrics],
            path: "benchmarks/micro", swiftSettings: strict),

        // Processes that tests and the load generator start.
        .target(name: "CSpawn"),
        // Waiting for many sockets, which Swift's Glibc module has not.
        .target(name: "CEvents"),
        target("Spawn", ["CSpawn"]),

        // Tests.
        target(
            "ApusTesting",
            [
                "Core", "Wire", "Timelines", "Notifications", "Presence", "Chat", "Bus", "Gateway", "Spawn",
                .nioCore, .nioPosix, .nioSSL, .jwt, .crypto, .cryptoExtras,
            ]),
        tests("SpawnTests", ["Spawn", "ApusTesting"]),
        tests("CoreTests", ["Core", "ApusTesting"]),
        tests("WireTests", ["Core", "Wire", "ApusTesting", .nioCore]),
        tests("TimelinesTests", ["Core", "Timelines", "ApusTesting"]),
        tests("NotificationsTests", ["Core", "Wire", "Notifications", "ApusTesting"]),
        tests("PresenceTests", ["Core", "Presence", "ApusTesting"]),
        tests("ChatTests", ["Core", "Wire", "Chat", "ApusTesting"]),
        tests(
            "GatewayTests",
            [
                "Core", "Wire", "Timelines", "Notifications", "Presence", "Chat", "Bus", "Gateway", "Embedded",
                "ApusTesting",
                .nioCore, .nioPosix, .nioSSL, .nioEmbedded, .jwt,
            ]),
        tests(
            "EmbeddedTests",
            ["Core", "Timelines", "Notifications", "Presence", "Chat", "Bus", "Embedded", "ApusTesting", .grdb]),
        tests(
            "RedisStoreTests",
            [
                "Core", "Timelines", "Notifications", "Presence", "Chat", "RedisStore", "ApusTesting", .nioCore,
                .nioPosix,
                .logging,
                .metrics,
            ]),
        tests("NATSBusTests", ["Core", "Bus", "NATSBus", "Spawn", "ApusTesting", .crypto]),
        tests("ApusTests", ["Core", "apus", "Spawn", "ApusTesting"]),
        tests("Integration", ["Core", "Wire", "Bus", "NATSBus", "ApusTesting", "apus", .logging, .grdb]),
        tests(
            "Chaos",
            ["Core", "Wire", "Bus", "NATSBus", "ApusTesting", "apus", .logging, .nioCore, .nioPosix]),
        tests("Conformance", ["Core", "Wire", "ApusTesting", .nioCore, .nioPosix]),
        tests("LoadTestTests", ["Core", "Wire", "Spawn", "apus-loadtest", "ApusTesting", .histogram]),
        tests("AllocationTests", ["Core", "HotPaths", "ApusTesting"]),
        tests("Tidy", []),
    ]
)
