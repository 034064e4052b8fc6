extension InspectPage {
    /// The treemap on a canvas: nested rectangles, as square as possible, down to the level that is still visible.
    static let treemapScript = #"""
        const tree = { root: 0, measure: 'u', colour: 'part', free: false, boxes: [], chosen: -1 };
        const treeCanvas = $('tree-canvas'), treeMark = $('tree-mark');
        const weight = line => sums[tree.measure][line] + (tree.free && tree.measure === 'u' ? sums.free[line] : 0);
        const inside = line => children[line].filter(child => weight(child) > 0).sort((a, b) => weight(b) - weight(a) || a - b);

        // Rows of rectangles along the shorter side, each row as long as it makes them squarer.
        function squarify(lines, x, y, width, height, give) {
          let left = lines.reduce((sum, line) => sum + weight(line), 0), at = 0;
          while (at < lines.length && width > .5 && height > .5 && left > 0) {
            const side = Math.min(width, height), scale = width * height / left;
            let sum = 0, worst = Infinity, end = at;
            while (end < lines.length) {
              const next = sum + weight(lines[end]) * scale;
              const largest = weight(lines[at]) * scale, smallest = weight(lines[end]) * scale;
              const shape = Math.max(side * side * largest / (next * next), next * next / (side * side * smallest));
              if (shape > worst) break;
              worst = shape; sum = next; end++;
            }
            const depth = sum / side;
            let place = 0;
            for (; at < end; at++) {
              const length = weight(lines[at]) * scale / depth;
              if (width >= height) give(lines[at], x, y + place, depth, length);
              else give(lines[at], x + place, y, length, depth);
              place += length;
              left -= weight(lines[at]);
            }
            if (width >= height) { x += depth; width -= depth; } else { y += depth; height -= depth; }
          }
        }

        function treeColour(line, part, level) {
          const kind = nodeKind(line), night = isDark();
          if (tree.colour === 'ratio' && kind !== 'free' && kind !== 'gap' && sums.u[line] > 0) {
            return ratioColour(sums.c[line] / sums.u[line]);
          }
          if (kind === 'free' || kind === 'gap') return night ? '#20262f' : '#eef0f3';
          if (kind === 'structures' || kind === 'other') return night ? '#4a515c' : '#c3c9d2';
          const hue = (210 + part * 137.508) % 360;
          return night ? `hsl(${hue} 32% ${24 + 5 * Math.min(level, 4)}%)` : `hsl(${hue} 48% ${66 + 5 * Math.min(level, 4)}%)`;
        }

        function drawTree() {
          $('scale').hidden = tree.colour !== 'ratio';
          $('scale').firstElementChild.style.background =
            `linear-gradient(90deg, ${[0, .2, .4, .5, .6, .8, 1].map(ratioColour).join(', ')})`;
          const [context, width, height] = prepare(treeCanvas);
          const ink = isDark() ? '#f0f3f7' : '#131a24', edge = isDark() ? '#11151b' : '#fff';
          context.textBaseline = 'middle';
          tree.boxes = [];
          let parts = 0;
          function draw(line, x, y, w, h, level, part, top) {
            if (w < 1 || h < 1) return;
            // Folders in which there is nothing but a folder are one box.
            let name = label(line);
            const outer = line;
            for (let only = inside(line); level > 0 && only.length === 1 && children[only[0]].length; only = inside(line)) {
              line = only[0];
              name += '/' + label(line);
            }
            tree.boxes.push({ line, outer, x, y, w, h, level, top });
            context.fillStyle = treeColour(line, part, level);
            context.fillRect(x, y, w, h);
            context.strokeStyle = edge;
            context.lineWidth = level > 2 ? .5 : 1;
            if (w > 2 && h > 2) context.strokeRect(x + .5, y + .5, w - 1, h - 1);
            const below = w > 24 && h > 22 && level < 12 && w * h > 900 ? inside(line) : [];
            const hasHead = below.length > 0 && w > 54 && h > 40;
            const size = level < 2 ? 13 : 11.5;
            context.font = (hasHead && level < 2 ? '600 ' : '') + size + 'px ' + fonts;
            context.fillStyle = ink;
            if (hasHead) {
              context.fillText(fitted(context, name, w - 10), x + 5, y + 10.5);
            } else if (!below.length && w > 34 && h > 15) {
              context.fillText(fitted(context, name, w - 8), x + 4, y + Math.min(h / 2, 11));
              if (h > 34 && w > 54) {
                context.globalAlpha = .75;
                context.fillText(fitted(context, bytes(weight(line)), w - 8), x + 4, y + 26);
                context.globalAlpha = 1;
              }
            }
            if (below.length) {
              const head = hasHead ? 19 : 2;
              squarify(below, x + 3, y + head, w - 6, h - head - 3, (child, cx, cy, cw, ch) =>
                draw(child, cx, cy, cw, ch, level + 1, level === 0 ? parts++ : part, top));
            }
          }
          // A partition that is nearly all of a disk would give everything one colour: its own parts have theirs.
          const lines = inside(tree.root);
          if (!lines.length) {
            context.fillStyle = ink;
            context.font = '14px ' + fonts;
            context.fillText('Nothing is in it.', 12, 20);
          }
          squarify(lines, 0, 0, width, height, (line, x, y, w, h) =>
            nodeKind(line) === 'partition' ? draw(line, x, y, w, h, 0, 0, line) : draw(line, x, y, w, h, 1, parts++, line));
          markTree();
        }

        function describe(line) {
          const kind = nodeKind(line), used = sums.u[line] + (isFree(line) ? sums.free[line] : 0);
          const lines = [bytes(used) + ' on the card, ' + percent(used / D.size) + ' of the disk'];
          if (kind === 'partition' || kind === 'disk') lines[0] += ', besides ' + bytes(sums.free[line]) + ' that are free';
          if (isCompressed && !isFree(line)) {
            lines.push('about ' + bytes(sums.c[line]) + ' compressed (' + percent(sums.c[line] / used) + ')');
          }
          if (kind === 'file') lines.push('length ' + number(T.s[line]) + ' bytes');
          else if (sums.f[line] > 0) lines.push(plural(sums.f[line], 'file or link', 'files and links'));
          return lines;
        }
        const treeTitle = line => ['file', 'directory', 'link', 'storePath', 'special'].includes(nodeKind(line))
          ? fullName(line) : label(line);

        function markTree() {
          const box = tree.boxes.find(box => box.line === tree.chosen || box.outer === tree.chosen);
          treeMark.hidden = !box;
          if (box) Object.assign(treeMark.style, { left: box.x + 'px', top: box.y + 'px', width: box.w + 'px', height: box.h + 'px' });
          $('tree-detail').textContent = tree.chosen >= 0
            ? treeTitle(tree.chosen) + ' – ' + describe(tree.chosen).join('; ') : '';
        }
        function choose(line) { tree.chosen = line; markTree(); }

        function show(line) {
          tree.root = line;
          tree.chosen = -1;
          const way = [];
          for (let at = line; at >= 0; at = parent[at]) way.unshift(at);
          $('way').replaceChildren(...way.map(at => {
            const button = element('button', label(at), { type: 'button', title: treeTitle(at), onclick: () => show(at) });
            if (at === line) button.setAttribute('aria-current', 'location');
            return button;
          }));
          drawTree();
          list();
        }
        function list() {
          const lines = inside(tree.root), all = lines.reduce((sum, line) => sum + weight(line), 0);
          $('inside-title').textContent = label(tree.root) + ': ' + bytes(all);
          fill(lines.slice(0, 17), all, line => label(line));
          if (lines.length > 17) {
            const rest = lines.slice(17), item = element('li'), row = element('span');
            row.append(element('b', 'and ' + number(rest.length) + ' more'),
              element('i', bytes(rest.reduce((sum, line) => sum + weight(line), 0))));
            item.append(row);
            $('inside').append(item);
          }
        }
        function fill(lines, all, name) {
          $('inside').replaceChildren(...lines.map(line => {
            const item = element('li'), opens = children[line].length > 0;
            const row = element(opens ? 'button' : 'span', null, { title: treeTitle(line) });
            if (opens) { row.type = 'button'; row.addEventListener('click', () => show(line)); }
            row.append(element('b', name(line)), element('i', bytes(weight(line))));
            const bar = element('span', null, { class: 'fill' });
            bar.style.width = Math.min(100, weight(line) / (all || 1) * 100) + '%';
            item.append(bar, row);
            item.addEventListener('pointerenter', () => { if (tree.boxes.some(box => box.line === line || box.outer === line)) choose(line); });
            return item;
          }));
        }
        // A folder is opened, a file is shown in its folder.
        function openInTree(line) {
          const opens = children[line].length > 0;
          show(opens || parent[line] < 0 ? line : parent[line]);
          if (!opens) choose(line);
        }

        $('find').addEventListener('input', () => {
          const wanted = $('find').value.trim().toLowerCase();
          if (!wanted) return list();
          const found = [];
          for (let line = 1; line < count; line++) {
            if (typeof T.n[line] === 'string' && T.n[line].toLowerCase().includes(wanted) && weight(line) > 0) found.push(line);
          }
          found.sort((a, b) => weight(b) - weight(a));
          $('inside-title').textContent = found.length ? plural(found.length, 'name', 'names') + ' with “' + shown(wanted) + '”'
            : 'Nothing is called “' + shown(wanted) + '”. Small files are not listed by name.';
          fill(found.slice(0, 30), found.length ? weight(found[0]) : 1, line => label(line));
          for (const [index, item] of [...$('inside').children].entries()) {
            item.addEventListener('click', () => openInTree(found[index]));
          }
        });

        function boxAt(event) {
          const area = treeCanvas.getBoundingClientRect(), x = event.clientX - area.left, y = event.clientY - area.top;
          for (let index = tree.boxes.length - 1; index >= 0; index--) {
            const box = tree.boxes[index];
            if (x >= box.x && x < box.x + box.w && y >= box.y && y < box.y + box.h) return box;
          }
          return null;
        }
        treeCanvas.addEventListener('pointermove', event => {
          const box = boxAt(event);
          if (!box) return hideTip();
          if (box.line !== tree.chosen) choose(box.line);
          if (event.pointerType === 'mouse') showTip(event, treeTitle(box.line), describe(box.line));
        });
        treeCanvas.addEventListener('pointerleave', hideTip);
        // A click goes one step down towards what was clicked; of a partition, right into what is in it.
        treeCanvas.addEventListener('click', event => {
          const box = boxAt(event);
          if (!box) return;
          hideTip();
          const way = [];
          for (let at = box.line; at !== tree.root && at >= 0; at = parent[at]) way.unshift(at);
          const next = way.find(line => nodeKind(line) !== 'partition') ?? way[0];
          if (next !== undefined && children[next].length) show(next); else choose(box.line);
        });
        treeCanvas.addEventListener('keydown', event => {
          const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
          if (steps) {
            const top = tree.boxes.filter(({ outer }) => parent[outer] === tree.root
              || (nodeKind(parent[outer]) === 'partition' && parent[parent[outer]] === tree.root));
            const from = top.find(box => box.line === tree.chosen || box.outer === tree.chosen);
            if (!from) { if (top.length) choose(top[0].line); }
            else {
              // What lies that way, nearness counting along and twice across.
              const middle = box => [box.x + box.w / 2, box.y + box.h / 2], [x, y] = middle(from);
              let best = null, least = Infinity;
              for (const box of top) {
                const [bx, by] = middle(box), along = (bx - x) * steps[0] + (by - y) * steps[1];
                const across = Math.abs((bx - x) * steps[1]) + Math.abs((by - y) * steps[0]);
                if (box !== from && along > 1 && along + 2 * across < least) { least = along + 2 * across; best = box; }
              }
              if (best) choose(best.line);
            }
          } else if (event.key === 'Enter' || event.key === ' ') {
            if (tree.chosen >= 0 && children[tree.chosen].length) show(tree.chosen);
          } else if (event.key === 'Backspace' || event.key === 'Escape') {
            const from = tree.root;
            if (parent[from] >= 0) { show(parent[from]); choose(from); }
          } else return;
          event.preventDefault();
        });
        $('measure').addEventListener('change', event => { tree.measure = event.target.value; show(tree.root); });
        $('colour').addEventListener('change', event => { tree.colour = event.target.value; drawTree(); });
        $('with-free').addEventListener('change', event => { tree.free = event.target.checked; show(tree.root); });
        """#
}
