/// Lines over an axis, as SVG that needs no script: hovering shows the figures, screen readers get a title and a summary.
struct Plot {
    struct Line {
        var name: String
        var points: [(x: Double, y: Double)]
    }

    /// A stretch of the axis with a name: a phase of the run.
    struct Band {
        var name: String
        var range: ClosedRange<Double>
    }

    var title: String
    /// One sentence that says what is to be seen.
    var summary: String
    var lines: [Line]
    var bands: [Band] = []
    var horizontal: Axis
    var scale: Axis.Scale = .linear
    /// The values are bytes.
    var isBytes = false
    var horizontalText: (Double) -> String = Axis.timeText
    var verticalText: (Double) -> String

    private static let width = 720.0
    private static let height = 270.0
    private static let left = 74.0
    private static let right = 14.0
    private static let top = 22.0
    private static let bottom = 30.0

    private var vertical: Axis { Axis(lines.flatMap { $0.points.map(\.y) }, scale: scale, binary: isBytes) }

    /// A figure with its caption, legend and drawing.
    func figure() -> String {
        let legend = lines.enumerated().map { index, line in
            "<li><svg class=\"key\" viewBox=\"0 0 24 8\" aria-hidden=\"true\"><path class=\"l l\(index % 8)\" d=\"M0 4H24\"/></svg>"
                + "\(HTML.escaped(line.name))</li>"
        }
        return """
            <figure>
            <figcaption><h3>\(HTML.escaped(title))</h3><p>\(HTML.escaped(summary))</p></figcaption>
            \(svg())
            <ul class="legend">\(legend.joined())</ul>
            </figure>

            """
    }

    private func svg() -> String {
        let vertical = vertical
        var parts = [
            "<svg class=\"plot\" viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\">",
            "<title>\(HTML.escaped(title))</title><desc>\(HTML.escaped(summary))</desc>",
        ]
        parts += bands.enumerated().map { band($0.offset, $0.element) }
        parts += grid(vertical)
        for (index, line) in lines.enumerated() {
            parts.append("<path class=\"l l\(index % 8)\" d=\"\(path(line, vertical))\"/>")
        }
        parts += hovers()
        return parts.joined(separator: "\n") + "\n</svg>"
    }

    // MARK: Parts

    private func x(_ value: Double) -> Double {
        Self.left + horizontal.place(value) * (Self.width - Self.left - Self.right)
    }

    private func y(_ value: Double, _ axis: Axis) -> Double {
        Self.height - Self.bottom - axis.place(value) * (Self.height - Self.top - Self.bottom)
    }

    private func grid(_ vertical: Axis) -> [String] {
        let (from, to) = (HTML.number(Self.left), HTML.number(Self.width - Self.right))
        let base = HTML.number(Self.height - Self.bottom)
        var parts = vertical.ticks.map { tick in
            let place = HTML.number(y(tick, vertical))
            return "<path class=\"grid\" d=\"M\(from) \(place)H\(to)\"/>"
                + "<text class=\"tick end\" x=\"\(HTML.number(Self.left - 8))\" y=\"\(HTML.number(y(tick, vertical) + 4))\">"
                + "\(HTML.escaped(verticalText(tick)))</text>"
        }
        parts += horizontal.ticks.map { tick in
            let place = HTML.number(x(tick))
            let anchor = x(tick) > Self.width - 36 ? "end" : "mid"
            return "<path class=\"grid\" d=\"M\(place) \(base)v5\"/>"
                + "<text class=\"tick \(anchor)\" x=\"\(place)\" y=\"\(HTML.number(Self.height - Self.bottom + 19))\">"
                + "\(HTML.escaped(horizontalText(tick)))</text>"
        }
        return parts + ["<path class=\"axis\" d=\"M\(from) \(base)H\(to)\"/>"]
    }

    private func path(_ line: Line, _ vertical: Axis) -> String {
        // A logarithmic axis has no place for zero: the line is broken there.
        var (text, isBroken) = ("", true)
        for point in line.points {
            guard point.y.isFinite, scale == .linear || point.y > 0 else {
                isBroken = true
                continue
            }
            text += "\(isBroken ? "M" : "L")\(HTML.number(x(point.x))) \(HTML.number(y(point.y, vertical)))"
            isBroken = false
        }
        return text.isEmpty ? "M0 0" : text
    }

    private func band(_ index: Int, _ band: Band) -> String {
        let (from, to) = (x(band.range.lowerBound), x(band.range.upperBound))
        let width = max(0, to - from)
        // About 6 units a letter: names that do not fit are left out, the hovering text has them.
        let fits = Double(band.name.count) * 6.4 < width - 6
        let name =
            fits
            ? "<text class=\"phase\" x=\"\(HTML.number(from + 4))\" y=\"14\">\(HTML.escaped(band.name))</text>" : ""
        return "<rect class=\"band b\(index % 2)\" x=\"\(HTML.number(from))\" y=\"0\" width=\"\(HTML.number(width))\" "
            + "height=\"\(HTML.number(Self.height - Self.bottom))\"/>" + name
    }

    /// A strip for each place on the axis, with the figures of all lines there as its tooltip.
    private func hovers() -> [String] {
        var figures: [Double: [String]] = [:]
        for line in lines {
            for point in line.points where scale == .linear || point.y > 0 {
                figures[point.x, default: []].append("\(line.name): \(verticalText(point.y))")
            }
        }
        let places = figures.keys.sorted()
        guard places.count <= 1200 else { return [] }
        return places.enumerated().map { index, place in
            let before = index > 0 ? (places[index - 1] + place) / 2 : place
            let after = index + 1 < places.count ? (places[index + 1] + place) / 2 : place
            let (from, to) = (x(before), x(after))
            let phase = bands.first { $0.range.contains(place) }.map { ", \($0.name)" } ?? ""
            let text = ([horizontalText(place) + phase] + (figures[place] ?? [])).joined(separator: "\n")
            return "<rect class=\"hover\" x=\"\(HTML.number(from))\" y=\"\(HTML.number(Self.top))\" "
                + "width=\"\(HTML.number(max(1, to - from)))\" height=\"\(HTML.number(Self.height - Self.top - Self.bottom))\">"
                + "<title>\(HTML.escaped(text))</title></rect>"
        }
    }
}
