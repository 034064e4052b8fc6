extension InspectPage {
    /// The elements that the scripts fill.
    static let markup = """
        <nav class="sections" aria-label="Sections">
        <a href="#space">Space</a> <a href="#disk">Disk</a> <a href="#store" class="store">Store paths</a>
        <a href="#files">Files</a> <a href="#links" class="links">Hard links</a> <a href="#partitions">Partitions</a>
        </nav>
        <noscript><p class="problem">This page draws itself with a script, and scripts are off.</p></noscript>
        <main>
        <section id="space">
        <h2>What takes the space</h2>
        <p class="about">Each rectangle is as large as what it stands for. Click one, or press Enter on it, to look inside;
        Backspace goes back.</p>
        <div class="tools">
        <nav id="way" class="way" aria-label="Where you are"></nav>
        <span class="choices">
        <label class="compressed">Size <select id="measure">
        <option value="u">on the card</option><option value="c">in the compressed image</option></select></label>
        <label class="compressed">Colour <select id="colour">
        <option value="part">by part</option><option value="ratio">by compression</option></select></label>
        <label><input type="checkbox" id="with-free"> free space too</label>
        </span>
        </div>
        <p class="scale" id="scale" hidden>compressed to 0% <span></span> 100%</p>
        <div class="split">
        <div class="tree" id="tree">
        <canvas id="tree-canvas" tabindex="0" role="application"
        aria-label="Treemap of sizes. Arrow keys move, Enter looks inside, Backspace goes back. The list beside it says the same."
        ></canvas>
        <div class="mark" id="tree-mark" hidden></div>
        </div>
        <div class="inside">
        <input type="search" id="find" placeholder="Find a store path or file" aria-label="Find a store path or file"
        autocomplete="off" spellcheck="false">
        <h3 id="inside-title"></h3>
        <ol id="inside"></ol>
        </div>
        </div>
        <p class="detail" id="tree-detail" aria-live="polite"></p>
        </section>

        <section id="disk">
        <h2>What lies where</h2>
        <p class="about" id="disk-about"></p>
        <div class="tools">
        <span id="disk-range" class="range"></span>
        <span class="choices">
        <button type="button" id="disk-in" title="Look closer (+)">Closer</button>
        <button type="button" id="disk-out" title="Look from further (−)">Further</button>
        <button type="button" id="disk-all" title="The whole disk (Home)">All</button>
        </span>
        </div>
        <div class="disk">
        <canvas id="disk-strip" aria-hidden="true"></canvas>
        <div class="strip-names" id="strip-names"></div>
        <div class="disk-body" id="disk-body">
        <canvas id="disk-canvas" tabindex="0" role="application"
        aria-label="Map of the disk. Arrow keys move, plus and minus change the scale. The table below has the sums."></canvas>
        <div class="mark" id="disk-mark" hidden></div>
        </div>
        </div>
        <p class="detail" id="disk-detail" aria-live="polite"></p>
        <div class="scroll"><table id="legend"><thead><tr><th>What</th><th class="num">Bytes</th>
        <th class="num">Share</th><th class="num">Pieces</th></tr></thead><tbody></tbody></table></div>
        </section>

        <section id="store" class="store">
        <h2>Store paths</h2>
        <div class="table" id="store-table"></div>
        </section>
        <section id="files">
        <h2>Largest files</h2>
        <div class="table" id="files-table"></div>
        </section>
        <section id="links" class="links">
        <h2>Hard links</h2>
        <p class="about" id="links-about"></p>
        <div class="table" id="links-table"></div>
        </section>
        <section id="partitions">
        <h2>Partitions and filesystems</h2>
        <div class="table" id="parts-table"></div>
        </section>
        </main>
        <div id="tip" role="tooltip" hidden></div>
        """
}
