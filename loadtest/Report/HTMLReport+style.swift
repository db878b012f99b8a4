extension HTMLReport {
    /// Light and dark as the reader's system has it. Colours of lines keep a contrast of 3:1 to the background, text 4.5:1;
    /// lines differ by their dashes too.
    static let style = """
        :root{--bg:#fff;--panel:#f6f7f9;--text:#1a1d21;--soft:#565d66;--rule:#d9dde2;--band0:#f3f5f8;--band1:#e9edf2;
        --good:#176f3d;--bad:#b3261e;--badbg:#fdecea;--hover:rgba(20,60,120,.12);
        --c0:#0b62c4;--c1:#c2410c;--c2:#0f7b4f;--c3:#8537c2;--c4:#a3123f;--c5:#6d6700;--c6:#0d7480;--c7:#5b5f66}
        @media (prefers-color-scheme:dark){:root{--bg:#14171b;--panel:#1d2126;--text:#e8eaed;--soft:#a7aeb8;--rule:#363c44;
        --band0:#1a1e23;--band1:#22272e;--good:#6fd397;--bad:#ff8a80;--badbg:#3a1c1a;--hover:rgba(160,200,255,.16);
        --c0:#6cb2ff;--c1:#ff9d66;--c2:#5fd09a;--c3:#cf9bff;--c4:#ff86ab;--c5:#d8cf58;--c6:#5fd0dd;--c7:#b6bcc6}}
        *{box-sizing:border-box}
        body{margin:0 auto;padding:24px 28px 48px;max-width:1560px;background:var(--bg);color:var(--text);
        font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
        h1{font-size:30px;line-height:1.2;margin:0 0 6px;display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center}
        h2{font-size:20px;margin:36px 0 10px}h3{font-size:15px;margin:0 0 2px}p{margin:0 0 8px}
        .product{color:var(--soft);font-weight:600;letter-spacing:.02em;margin:0}
        .when,figcaption p,footer,caption{color:var(--soft)}
        .verdict{font-size:15px;font-weight:600;padding:3px 12px;border-radius:999px;border:1.5px solid currentColor}
        .held{color:var(--good)}.broken,.incomplete,.failure{color:var(--bad)}
        .failure{background:var(--badbg);padding:10px 14px;border-radius:8px;font-weight:600}
        .notes{margin:10px 0 0;padding-left:20px}
        .tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(172px,1fr));gap:10px;margin:18px 0 0}
        .tiles div{background:var(--panel);border:1px solid var(--rule);border-radius:10px;padding:10px 14px;min-width:0}
        .tiles dt{color:var(--soft);font-size:13px}.tiles dd{margin:0;font-size:22px;font-weight:650}
        .checks{grid-template-columns:repeat(auto-fill,minmax(150px,1fr))}
        .checks .good dd{color:var(--good)}.checks .bad{border-color:var(--bad);background:var(--badbg)}
        .checks .bad dd{color:var(--bad)}
        .plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(560px,100%),1fr));gap:18px}
        figure{margin:0;padding:14px 16px 10px;border:1px solid var(--rule);border-radius:12px;min-width:0}
        figcaption p{font-size:13px}
        svg.plot{display:block;width:100%;height:auto}
        .l{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round;vector-effect:non-scaling-stroke}
        .l0{stroke:var(--c0)}.l1{stroke:var(--c1);stroke-dasharray:7 4}.l2{stroke:var(--c2);stroke-dasharray:2 4}
        .l3{stroke:var(--c3);stroke-dasharray:10 4 2 4}.l4{stroke:var(--c4)}.l5{stroke:var(--c5);stroke-dasharray:5 3}
        .l6{stroke:var(--c6);stroke-dasharray:12 4}.l7{stroke:var(--c7);stroke-dasharray:1 5}
        .grid{stroke:var(--rule);fill:none}.axis{stroke:var(--soft);fill:none}
        .tick,.phase{font-size:12px;fill:var(--soft)}.end{text-anchor:end}.mid{text-anchor:middle}
        .band.b0{fill:var(--band0)}.band.b1{fill:var(--band1)}
        .hover{fill:transparent}.hover:hover{fill:var(--hover)}
        .legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;margin:4px 0 0;padding:0;font-size:13px}
        .key{width:24px;height:8px;margin-right:6px;vertical-align:middle}
        table{border-collapse:collapse;font-size:14px}caption{text-align:left;font-size:13px;padding-bottom:4px}
        th,td{padding:4px 14px 4px 0;text-align:right;border-bottom:1px solid var(--rule);vertical-align:top}
        th:first-child,.pairs td{text-align:left}th[scope=row]{font-weight:500}thead th{color:var(--soft);font-weight:600}
        .pairs th{font-weight:400;color:var(--soft);padding-right:24px}.pairs td{overflow-wrap:anywhere}
        .texts td,.texts th{text-align:left}.wide{overflow-x:auto;margin-top:14px}.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(380px,100%),1fr));gap:24px}
        .columns h3:not(:first-child){margin-top:18px}
        details{margin-top:14px}summary{cursor:pointer;font-weight:600;padding:4px 0}
        footer{margin-top:40px;border-top:1px solid var(--rule);padding-top:12px;font-size:13px;max-width:80ch}
        @media print{body{max-width:none;padding:0}figure{break-inside:avoid}}
        """
}
