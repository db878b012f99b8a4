/// Which Apus this is: what `apus version`, the line at start and `/v1/nodes` tell.
public enum Version {
    /// Semantic Versioning 2.0, without a prefix.
    public static let text = "0.1.0"
}
