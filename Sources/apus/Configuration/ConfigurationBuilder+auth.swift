import Core
import Gateway

extension ConfigurationBuilder {
    /// What a dev run brings of its own; nil without `--dev`.
    func dev() throws -> DevConfiguration? {
        guard try values.flag(.dev) else { return nil }
        let folder = try values.text(.data) ?? "."
        let secrets: DevSecrets
        do { secrets = try DevSecrets.load(folder: folder, store: devSecretsUse == .store) } catch let error
            as DevSecrets.Problem
        {
            throw values.problem(
                .data, "cannot hold the secrets of --dev: \(error)", "give a folder that this user may write")
        }
        let users = ["alice", "bob"].compactMap { UserID($0) }
        return DevConfiguration(users: users, secret: secrets.secret, apiKey: secrets.apiKey)
    }

    /// - Parameter isRequired: Whether a node without secret and key set is an error.
    func auth(dev: DevConfiguration?, isRequired: Bool) throws -> AuthConfiguration {
        var auth = AuthConfiguration(hs256Secret: try secret(), jwks: try jwks())
        if let dev, auth.hs256Secret == nil { auth.hs256Secret = dev.secret }
        if isRequired, auth.hs256Secret == nil, auth.jwks == nil {
            throw ConfigurationError(
                "\(Setting.secret.variable) and \(Setting.jwks.variable) are both unset, so no token can be checked; "
                    + "set one of them, or try apus serve --dev")
        }
        auth.hs256KeyID = try values.text(.secretKeyID)
        auth.userClaim = try values.text(.userClaim) ?? auth.userClaim
        auth.issuer = try values.text(.issuer)
        auth.audience = try values.text(.audience)
        auth.queryToken = try values.flag(.queryToken)
        return auth
    }

    private func secret() throws -> String? {
        guard let secret = try values.text(.secret) else { return nil }
        let allowShort = try values.flag(.allowShortSecret)
        let isPlatforms = try values.text(.userClaim).map { $0 != "sub" } ?? false
        if let problem = SecretRules.problem(secret, isPlatforms: isPlatforms, allowShort: allowShort) {
            var fix = "make a random one: openssl rand -base64 48"
            if !allowShort, SecretRules.problem(secret, allowShort: true) == nil {
                fix +=
                    ", or set \(Setting.allowShortSecret.variable)=true while the platform's secret cannot be changed"
            }
            throw values.problem(.secret, problem, fix)
        }
        return secret
    }

    private func jwks() throws -> JWKSSource? {
        guard let text = try values.text(.jwks) else { return nil }
        guard text.contains("://") else { return try values.file(.jwks).map(JWKSSource.file) }
        let source = JWKSSource.url(text)
        if let problem = source.problem {
            throw values.problem(.jwks, problem, "give an https URL or the path of a file")
        }
        return source
    }

    // MARK: What people should know

    func warnings(_ node: NodeConfiguration) throws -> [String] {
        var warnings: [String] = []
        for name in values.sources.unknownVariables {
            let near =
                Spelling.nearest(to: name, among: Setting.all.map(\.variable)).map { "; did you mean \($0)?" } ?? ""
            warnings.append("\(name) is in the environment and is no setting\(near)")
        }
        if let secret = node.auth.hs256Secret, secret.utf8.count < Limits.secretBytesMin {
            warnings.append(
                "\(Setting.secret.variable) has \(secret.utf8.count) bytes: tokens can be forged by guessing it; change it to 32 or more"
            )
        }
        if node.dev != nil, !["127.0.0.1", "::1", "localhost"].contains(node.listen.host) {
            warnings.append("--dev listens on \(node.listen): whoever reaches it gets a token of the demo users")
        }
        if node.apiKeys.isEmpty {
            warnings.append(
                "\(Setting.apiKeys.variable) is unset: the backend API answers 401 to everything but health and metrics"
            )
        }
        return warnings
    }

    /// The settings as they are in force: what `--dev` changes is shown as its doing.
    func shown(_ node: NodeConfiguration) throws -> [SettingValues.Shown] {
        try values.shown().map { shown in
            guard node.dev != nil, try !values.isGiven(shown.setting) else { return shown }
            switch shown.setting {
            case .listen: return .init(setting: .listen, value: "\(node.listen)", origin: "--dev")
            case .logFormat: return .init(setting: .logFormat, value: LogFormat.text.rawValue, origin: "--dev")
            case .secret, .apiKeys:
                return .init(setting: shown.setting, value: "<of the data folder, not shown>", origin: "--dev")
            default: return shown
            }
        }
    }
}
