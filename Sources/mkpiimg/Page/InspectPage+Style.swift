extension InspectPage {
    /// The styles: light and dark colours, and one column on narrow screens.
    static let style = """
        :root {
          --back: #f6f7f9; --card: #fff; --text: #1c2330; --dim: #5b6575; --line: #d9dee6; --accent: #1f5fbf;
          --bar: #cfe0f8; --warn: #8a2b12; --warn-back: #fdeae3; --hover: #eef3fb;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --back: #12151a; --card: #1a1f27; --text: #e4e8ee; --dim: #9aa5b5; --line: #313946; --accent: #7fb0ff;
            --bar: #2a4166; --warn: #ffb59c; --warn-back: #3d2119; --hover: #232b37;
          }
        }
        * { box-sizing: border-box; }
        [hidden] { display: none !important; }
        html { color-scheme: light dark; scroll-behavior: smooth; }
        @media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
        body {
          margin: 0 auto; padding: 0 20px 40px; max-width: 1500px; background: var(--back); color: var(--text);
          font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
        }
        header { padding: 22px 0 6px; }
        h1 { margin: 0; font-size: 26px; line-height: 1.2; overflow-wrap: anywhere; }
        h2 { margin: 0 0 4px; font-size: 19px; }
        h3 { margin: 10px 0 4px; font-size: 14px; font-weight: 600; overflow-wrap: anywhere; }
        .kind { margin: 0; color: var(--dim); font-size: 13px; }
        .facts { display: flex; flex-wrap: wrap; gap: 10px 34px; margin: 16px 0 8px; }
        .facts dt { color: var(--dim); font-size: 12.5px; }
        .facts dd { margin: 0; font-size: 17px; font-weight: 600; overflow-wrap: anywhere; }
        .sections {
          position: sticky; top: 0; z-index: 3; display: flex; gap: 20px; overflow-x: auto; margin: 0 -20px;
          padding: 8px 20px; background: var(--back); border-bottom: 1px solid var(--line); white-space: nowrap;
        }
        .sections a { color: var(--accent); text-decoration: none; }
        .sections a:hover { text-decoration: underline; }
        section {
          margin-top: 18px; padding: 16px 18px 18px; background: var(--card); border: 1px solid var(--line);
          border-radius: 10px; scroll-margin-top: 48px; min-width: 0;
        }
        .about { margin: 0 0 10px; color: var(--dim); max-width: 75ch; }
        .problem { padding: 8px 12px; border-radius: 6px; color: var(--warn); background: var(--warn-back); }
        .tools { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 18px; margin-bottom: 8px; min-height: 32px; }
        .choices { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; margin-left: auto; font-size: 14px; }
        .way { display: flex; flex-wrap: wrap; align-items: center; min-width: 0; }
        .way button { padding: 2px 4px; border: 0; background: none; color: var(--accent); max-width: 40ch;
          overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
        .way button[aria-current] { color: var(--text); font-weight: 600; }
        .way button + button::before { content: "›"; margin-right: 7px; color: var(--dim); font-weight: 400; }
        button, select, input[type=search] {
          font: inherit; font-size: 14px; color: inherit; background: var(--card); border: 1px solid var(--line);
          border-radius: 6px; padding: 4px 10px;
        }
        button { cursor: pointer; }
        button:hover:not(:disabled) { background: var(--hover); }
        button:disabled { opacity: .45; cursor: default; }
        input[type=search] { width: 100%; max-width: 420px; }
        :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
        .scale { margin: 0 0 8px; color: var(--dim); font-size: 13px; text-align: right; }
        .scale span { display: inline-block; width: 160px; height: 10px; border-radius: 2px; }
        .split { display: grid; grid-template-columns: minmax(0, 1fr) 330px; gap: 18px; }
        .tree, .disk-body { position: relative; }
        canvas { display: block; width: 100%; touch-action: manipulation; }
        #tree-canvas { height: 540px; border-radius: 4px; cursor: pointer; }
        .mark { position: absolute; pointer-events: none; border: 2px solid var(--text); border-radius: 2px;
          box-shadow: 0 0 0 1px var(--card); }
        .inside ol { list-style: none; margin: 0; padding: 0; }
        .inside li { position: relative; }
        .inside li > * {
          position: relative; display: flex; width: 100%; gap: 10px; justify-content: space-between; padding: 3px 6px;
          border: 0; border-radius: 3px; background: none; text-align: left; font-size: 14px;
        }
        .inside li > .fill { position: absolute; inset: 1px auto 1px 0; padding: 0; background: var(--bar); }
        .inside b { font-weight: 400; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
        .inside button b { color: var(--accent); }
        .inside i { font-style: normal; white-space: nowrap; font-variant-numeric: tabular-nums; }
        .detail { margin: 8px 0 0; min-height: 22px; color: var(--dim); overflow-wrap: anywhere; font-size: 14px; }
        #disk-strip { height: 16px; border-radius: 3px; }
        .strip-names { position: relative; height: 20px; margin-bottom: 8px; font-size: 12px; color: var(--dim); }
        .strip-names span { position: absolute; top: 1px; overflow: hidden; white-space: nowrap; text-overflow: ellipsis;
          border-left: 1px solid var(--dim); padding-left: 4px; }
        #disk-canvas { cursor: crosshair; }
        .range { font-size: 14px; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-size: 14px; }
        #legend { margin-top: 10px; max-width: 860px; }
        th, td { padding: 4px 10px; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
        th { font-weight: 600; color: var(--dim); white-space: nowrap; }
        th button { padding: 0; border: 0; background: none; font-weight: 600; color: inherit; }
        th[aria-sort] button { color: var(--text); }
        th[aria-sort=ascending] button::after { content: " ▲"; }
        th[aria-sort=descending] button::after { content: " ▼"; }
        .num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
        td.name { overflow-wrap: anywhere; min-width: 14ch; }
        td small { display: block; color: var(--dim); font-size: 12px; }
        td small.narrow { display: none; }
        tbody tr:hover { background: var(--hover); }
        .link { padding: 0; border: 0; background: none; color: var(--accent); text-align: left; overflow-wrap: anywhere; }
        .table .tools { margin-bottom: 4px; }
        .count { color: var(--dim); font-size: 14px; }
        .more { margin-top: 10px; }
        .swatch { display: inline-block; width: 12px; height: 12px; margin-right: 8px; border-radius: 2px;
          vertical-align: -1px; border: 1px solid #8884; }
        #legend button { padding: 0; border: 0; background: none; text-align: left; }
        #legend tr.on { background: var(--hover); box-shadow: inset 3px 0 var(--accent); }
        #legend .what { color: var(--dim); }
        #tip {
          position: fixed; z-index: 5; max-width: min(420px, 90vw); padding: 6px 10px; border-radius: 6px;
          background: #14181ff2; color: #f2f5f9; font-size: 13px; pointer-events: none; overflow-wrap: anywhere;
        }
        #tip b { display: block; }
        #tip span { display: block; color: #c3ccd8; }
        footer { margin-top: 24px; color: var(--dim); font-size: 13px; }
        @media (max-width: 980px) {
          .split { grid-template-columns: minmax(0, 1fr); }
          .choices { margin-left: 0; }
        }
        @media (max-width: 640px) {
          body { padding: 0 10px 30px; }
          .sections { margin: 0 -10px; padding: 8px 10px; }
          section { padding: 12px 10px 14px; }
          h1 { font-size: 21px; }
          .facts { gap: 8px 22px; }
          .facts dd { font-size: 15px; }
          #tree-canvas { height: 420px; }
          .wide { display: none; }
          td small.narrow { display: block; }
          th, td { padding: 4px 6px; }
          #legend .what { display: none; }
        }
        @media print {
          :root { --back: #fff; --card: #fff; --text: #000; --dim: #444; --line: #bbb; --accent: #000; --hover: #fff; }
          body { padding: 0; max-width: none; font-size: 11px; }
          .sections, .tools, .more, #find, .mark, #tip, .detail { display: none !important; }
          section { border: 0; padding: 0; break-inside: avoid-page; }
          #store, #files, #links { break-inside: auto; }
          table { font-size: 10px; }
          canvas { print-color-adjust: exact; -webkit-print-color-adjust: exact; max-width: 100%; }
          .split { grid-template-columns: minmax(0, 1fr) 230px; }
        }
        """
}
