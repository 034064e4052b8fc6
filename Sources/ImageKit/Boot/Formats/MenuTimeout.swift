/// How long U-Boot's menu waits, with the meanings of NixOS' `boot.loader.timeout`.
public enum MenuTimeout: Sendable, Hashable {
    /// Until the user makes a choice (`null` in NixOS).
    case forever
    /// This many seconds; 0 boots at once, without a menu.
    case seconds(UInt32)
}
