// swift-tools-version: 6.2

import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func example(_ name: String) -> Target {
    .executableTarget(
        name: name,
        dependencies: ["ImageKit", .product(name: "SystemPackage", package: "swift-system")],
        path: "Examples/Sources/\(name)", swiftSettings: settings)
}

let package = Package(
    name: "mkpiimg",
    products: [
        .library(name: "ImageKit", targets: ["ImageKit"]),
        .executable(name: "mkpiimg", targets: ["mkpiimg"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
    ],
    targets: [
        .systemLibrary(name: "CExt2FS", pkgConfig: "ext2fs", providers: [.apt(["libext2fs-dev", "comerr-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .target(
            name: "ImageKit",
            dependencies: [
                "CExt2FS", "CZstd",
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "mkpiimg",
            dependencies: [
                "ImageKit",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: settings),
        // The programs of Examples/, which has a package of its own: here they are built with everything else.
        example("walk-image"),
        example("build-image"),
        .testTarget(
            name: "ImageKitTests",
            dependencies: [
                "ImageKit", "mkpiimg",
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: settings),
    ]
)
