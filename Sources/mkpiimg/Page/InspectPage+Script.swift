extension InspectPage {
    /// The functions that all sections use: the data, the text of sizes and names, the tooltip, colours.
    static let script = #"""
        'use strict';
        const page = document.documentElement;
        window.addEventListener('error', event => { page.dataset.error = event.message; });
        const D = JSON.parse(document.getElementById('data').textContent);
        const $ = id => document.getElementById(id);

        // Names are from the image: they only ever become texts, and what cannot be seen is shown by its number.
        const hidden = new RegExp('[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e'
          + '\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb]', 'g');
        const shown = text => String(text).replace(hidden, c => '\\u{' + c.charCodeAt(0).toString(16) + '}');

        function element(tag, text, attributes) {
          const made = document.createElement(tag);
          if (text !== undefined && text !== null) made.textContent = text;
          for (const [name, value] of Object.entries(attributes || {})) {
            if (name === 'onclick') made.addEventListener('click', value);
            else made.setAttribute(name, value);
          }
          return made;
        }

        const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
        function bytes(count) {
          let unit = 0;
          while (count >= 1024 && unit < units.length - 1) { count /= 1024; unit++; }
          const digits = unit === 0 || count >= 100 || Number.isInteger(count) ? 0 : count >= 10 ? 1 : 2;
          // Cut off, not rounded, as everywhere in mkpiimg.
          const power = 10 ** digits;
          return (Math.floor(count * power) / power).toFixed(digits) + ' ' + units[unit];
        }
        const number = count => count.toLocaleString('en-US');
        const percent = share => !isFinite(share) ? '–' : share > 0 && share < .001 ? '<0.1%'
          : (share * 100).toFixed(share < .1 ? 1 : 0) + '%';
        const plural = (count, one, many) => number(count) + ' ' + (count === 1 ? one : many);

        // A store path's name without its hash.
        const withoutHash = name => /^[0-9a-z]{32}-./.test(name) ? name.slice(33) : name;

        // Colours
        const dark = matchMedia('(prefers-color-scheme: dark)');
        const isPrinting = () => matchMedia('print').matches;
        const isDark = () => dark.matches && !isPrinting();
        const redraws = [];
        const redraw = () => { for (const draw of redraws) draw(); };
        dark.addEventListener('change', redraw);
        let width = innerWidth, pending = 0;
        addEventListener('resize', () => {
          // Scrolling on a telephone changes the height alone.
          if (innerWidth === width) return;
          width = innerWidth;
          cancelAnimationFrame(pending);
          pending = requestAnimationFrame(redraw);
        });
        // From blue (next to nothing is left of it) to orange (as large as before).
        const ratioColour = ratio => {
          const t = Math.max(0, Math.min(1, ratio));
          return `hsl(${t < .5 ? 215 - 300 * t : 65 - 70 * (t - .5)} ${isDark() ? 45 : 60}% ${isDark() ? 38 : 66}%)`;
        };

        // A canvas as large as its place, in the device's own dots.
        function prepare(canvas, height) {
          const ratio = window.devicePixelRatio || 1;
          if (height) canvas.style.height = height + 'px';
          const box = { width: canvas.clientWidth, height: canvas.clientHeight };
          canvas.width = Math.max(1, Math.round(box.width * ratio));
          canvas.height = Math.max(1, Math.round(box.height * ratio));
          const context = canvas.getContext('2d');
          context.setTransform(ratio, 0, 0, ratio, 0, 0);
          context.clearRect(0, 0, box.width, box.height);
          return [context, box.width, box.height];
        }
        // The longest beginning of a text that fits.
        function fitted(context, text, room) {
          if (text.length > 200) text = text.slice(0, 200);
          if (context.measureText(text).width <= room) return text;
          let low = 0, high = text.length;
          while (low < high) {
            const middle = (low + high + 1) >> 1;
            if (context.measureText(text.slice(0, middle) + '…').width <= room) low = middle; else high = middle - 1;
          }
          return low > 1 ? text.slice(0, low) + '…' : '';
        }
        const fonts = getComputedStyle(document.body).fontFamily;

        const tip = $('tip');
        function showTip(event, title, lines) {
          tip.replaceChildren(element('b', title), ...lines.map(line => element('span', line)));
          tip.hidden = false;
          const box = tip.getBoundingClientRect();
          const left = event.clientX + 14 + box.width > innerWidth ? event.clientX - box.width - 10 : event.clientX + 14;
          const top = event.clientY + 14 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 14;
          tip.style.left = Math.max(4, left) + 'px';
          tip.style.top = Math.max(4, top) + 'px';
        }
        const hideTip = () => { tip.hidden = true; };
        addEventListener('scroll', hideTip, { passive: true });

        // The tree of sizes: each line's parent and children, and sums from below.
        const T = D.tree, count = T.d.length, isCompressed = D.frames !== null;
        const parent = new Int32Array(count).fill(-1), children = Array.from({ length: count }, () => []);
        const sums = { u: new Float64Array(count), c: new Float64Array(count), f: new Float64Array(count),
          free: new Float64Array(count) };
        const nodeKind = line => T.k[line] < 0 ? 'small' : D.nodeKinds[T.k[line]];
        const isFree = line => { const kind = nodeKind(line); return kind === 'free' || kind === 'gap'; };
        {
          const way = [];
          for (let line = 0; line < count; line++) {
            way.length = T.d[line];
            if (way.length) { parent[line] = way[way.length - 1]; children[parent[line]].push(line); }
            way.push(line);
          }
          for (let line = count - 1; line >= 0; line--) {
            const kind = nodeKind(line);
            if (isFree(line)) sums.free[line] += T.u[line]; else sums.u[line] += T.u[line];
            sums.c[line] += T.c[line];
            if (kind === 'small') sums.f[line] += T.n[line];
            else if (kind === 'file' || kind === 'link' || (kind === 'storePath' && !children[line].length)) sums.f[line]++;
            if (parent[line] >= 0) for (const key in sums) sums[key][parent[line]] += sums[key][line];
          }
        }
        function label(line) {
          const kind = nodeKind(line);
          if (kind === 'small') return plural(T.n[line], 'small file', 'small files');
          if (kind === 'disk') return 'Disk';
          if (kind === 'partition') return 'Partition ' + shown(T.n[line]);
          if (kind === 'structures') return D.words[T.n[line]] || 'Filesystem structures';
          if (kind === 'free') return 'Free space';
          if (kind === 'gap') return 'In no partition';
          if (kind === 'other') return 'Not in a filesystem';
          return shown(kind === 'storePath' ? withoutHash(T.n[line]) : T.n[line]);
        }
        function fullName(line) {
          const names = [];
          let at = line;
          for (; at >= 0 && nodeKind(at) !== 'partition' && nodeKind(at) !== 'disk'; at = parent[at]) {
            names.unshift(nodeKind(at) === 'storePath' ? 'nix/store/' + T.n[at] : nodeKind(at) === 'small' ? '' : T.n[at]);
          }
          return shown('/' + names.join('/'));
        }
        """#
}
