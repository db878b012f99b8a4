#if DEBUG
    import Core

    /// Defects of the scripts: named changes of their text, made when they are loaded.
    extension RedisScript {
        private struct Patch {
            var defect: Defect
            var scripts: [RedisScript]
            var text: String
            var replacement: String
        }

        private static let patches = [
            Patch(
                defect: .noDedup, scripts: [.append, .send], text: "if seen then", replacement: "if false then"),
            Patch(
                defect: .resumeUnchecked, scripts: [.open, .read], text: "if id ~= last then",
                replacement: "if false then"),
            Patch(
                defect: .cursorUnchecked, scripts: [.advance], text: "if id ~= m.id then",
                replacement: "if false then"),
            Patch(
                defect: .cursorUnchecked, scripts: [.entries],
                text: "elseif from > log.head or (from > 0 and entry_id(from) ~= id) then",
                replacement: "elseif false then"),
        ]

        /// The source with the defect that is planted.
        func defective(_ source: [UInt8], _ planted: Defect?) -> [UInt8] {
            guard let planted else { return source }
            var text = String(decoding: source, as: UTF8.self)
            for patch in Self.patches where patch.defect == planted && patch.scripts.contains(self) {
                // A defect that plants nothing would be caught by nobody, and nobody would know.
                guard let place = text.firstRange(of: patch.text) else {
                    fatalError("APUS_DEFECT=\(planted.rawValue): \(rawValue).lua has no '\(patch.text)' to replace")
                }
                text.replaceSubrange(place, with: patch.replacement)
            }
            return Array(text.utf8)
        }
    }
#endif
