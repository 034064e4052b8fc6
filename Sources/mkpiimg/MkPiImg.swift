import ArgumentParser

@main
struct MkPiImg: ParsableCommand {
}
