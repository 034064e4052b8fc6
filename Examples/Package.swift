// swift-tools-version: 6.2

import PackageDescription

// Programs made with ImageKit, each in one file. The main package builds and runs them in its tests.
let package = Package(
    name: "Examples",
    dependencies: [
        .package(name: "mkpiimg", path: ".."),
        .package(url: "https://github.com/apple/swift-system", from: "1.4.0"),
    ],
    targets: ["walk-image", "build-image"].map { name in
        .executableTarget(
            name: name,
            dependencies: [
                .product(name: "ImageKit", package: "mkpiimg"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: [.swiftLanguageMode(.v6)])
    }
)
