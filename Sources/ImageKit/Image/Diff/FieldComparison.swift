/// Collects the fields of one part of an image that differ between two images.
struct FieldComparison {
    /// See ``ImageDifference/FieldChange/part``.
    let part: String
    private(set) var changes: [ImageDifference.FieldChange] = []

    init(part: String) { self.part = part }

    /// Adds a field if its values differ.
    mutating func add(_ field: String, _ old: ImageDifference.Value?, _ new: ImageDifference.Value?) {
        if old != new { changes.append(ImageDifference.FieldChange(part: part, field: field, old: old, new: new)) }
    }

    /// Adds a field if its texts differ.
    mutating func add(_ field: String, _ old: String?, _ new: String?) {
        add(field, old.map { .text($0) }, new.map { .text($0) })
    }
}
