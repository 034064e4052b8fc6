extension BootChoice {
    /// The largest number of parameters or menu entries that are compared one by one: the time grows with its square.
    private static let maximumElements = 1000

    /// The fields that differ. Kernel parameters and menu entries are compared one by one.
    static func changes(_ old: BootChoice?, _ new: BootChoice?) -> [ImageDifference.FieldChange] {
        var fields = FieldComparison(part: "boot")
        fields.add("started by", old?.starter, new?.starter)
        fields.add("default entry", old?.label, new?.label)
        fields.add("kernel", old?.kernel, new?.kernel)
        fields.add("initrd", old?.initrd, new?.initrd)
        fields.add("device trees", old?.deviceTrees, new?.deviceTrees)
        fields.add("init", old?.commandLine.initPath, new?.commandLine.initPath)
        addEach(
            "parameter", old?.commandLine.wordsWithoutInit ?? [], new?.commandLine.wordsWithoutInit ?? [], to: &fields)
        addEach("menu entry", old?.labels ?? [], new?.labels ?? [], to: &fields)
        return fields.changes
    }

    /// Adds a field for each element that is in one of the lists only.
    private static func addEach(
        _ field: String, _ old: [String], _ new: [String], to fields: inout FieldComparison
    ) {
        if old == new { return }
        guard old.count <= maximumElements, new.count <= maximumElements else {
            fields.add("\(field)s", "\(old.count) of them", "\(new.count) others")
            return
        }
        let difference = new.difference(from: old)
        for case .remove(_, let element, _) in difference { fields.add(field, element, nil) }
        for case .insert(_, let element, _) in difference { fields.add(field, nil, element) }
    }
}
