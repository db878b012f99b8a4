import Testing

@testable import apus

@Suite("Processors that the process may use")
struct ProcessorsTests {
    @Test("The kernel's mask is counted, also in several words")
    func mask() {
        #expect(Processors.allowed(inStatus: "Name:\tapus\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n") == 2)
        #expect(Processors.allowed(inStatus: "Cpus_allowed:\t01\n") == 1)
        #expect(Processors.allowed(inStatus: "Cpus_allowed:\tff,00000000,0000000f\n") == 12)
    }

    @Test("Without a mask nothing is said, and the machine's number counts")
    func none() {
        #expect(Processors.allowed(inStatus: "") == nil)
        #expect(Processors.allowed(inStatus: "Cpus_allowed:\t0\n") == nil)
        #expect(Processors.available >= 1)
    }
}
