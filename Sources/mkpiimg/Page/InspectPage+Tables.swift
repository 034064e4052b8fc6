extension InspectPage {
    /// Tables that can be sorted and searched. Only the rows that are shown become elements.
    static let tableScript = #"""
        // columns: { name, title, key(row) to sort by, text(row) or make(row), num, wide, first: 'down' }
        function makeTable(place, columns, rows, words, options) {
          const step = (options && options.step) || 40;
          const body = element('tbody'), head = element('tr'), found = element('span', '', { class: 'count' });
          const state = { column: (options && options.column) || 0, down: true, limit: step, text: '' };
          const search = element('input', null, { type: 'search', placeholder: 'Search', autocomplete: 'off',
            'aria-label': 'Search the ' + words[1], spellcheck: 'false' });
          const more = element('button', '', { type: 'button', class: 'more' });
          const all = rows.map((row, index) => ({ row, index,
            text: columns.map(c => c.search ? c.search(row) : '').join('\n').toLowerCase() }));
          state.down = columns[state.column].num;

          columns.forEach((column, index) => {
            const cell = element('th', null, { scope: 'col', class: (column.num ? 'num ' : '') + (column.wide ? 'wide' : '') });
            const button = element('button', column.name, { type: 'button', title: column.title || 'Sort', onclick: () => {
              state.down = state.column === index ? !state.down : !!column.num;
              state.column = index;
              show();
            } });
            cell.append(button);
            head.append(cell);
          });

          function visible() {
            const wanted = state.text.split(/\s+/).filter(Boolean);
            const list = all.filter(entry => wanted.every(word => entry.text.includes(word)));
            const key = columns[state.column].key, turn = state.down ? -1 : 1;
            const keys = new Map(list.map(entry => [entry, key(entry.row)]));
            return list.sort((a, b) => {
              const x = keys.get(a), y = keys.get(b);
              const order = typeof x === 'number' ? x - y : compareTexts(x, y);
              return order ? order * turn : a.index - b.index;
            });
          }
          function show() {
            [...head.children].forEach((cell, index) => {
              if (index === state.column) cell.setAttribute('aria-sort', state.down ? 'descending' : 'ascending');
              else cell.removeAttribute('aria-sort');
            });
            const list = visible();
            body.replaceChildren(...list.slice(0, state.limit).map(({ row }) => {
              const line = element('tr');
              for (const column of columns) {
                const cell = element('td', null, { class: (column.num ? 'num ' : 'name ') + (column.wide ? 'wide' : '') });
                if (column.make) cell.append(...column.make(row)); else cell.textContent = column.text(row);
                line.append(cell);
              }
              return line;
            }));
            if (!list.length) {
              const line = element('tr');
              line.append(element('td', 'Nothing is called so.', { colspan: columns.length }));
              body.append(line);
            }
            const sum = state.text ? number(list.length) + ' of ' + plural(rows.length, words[0], words[1])
              : plural(rows.length, words[0], words[1]);
            found.textContent = sum + ((options && options.note) || '');
            more.hidden = list.length <= state.limit;
            more.textContent = 'Show ' + number(Math.min(list.length - state.limit, step * 5)) + ' more';
          }
          search.addEventListener('input', () => {
            state.text = search.value.trim().toLowerCase();
            state.limit = step;
            show();
          });
          more.addEventListener('click', () => { state.limit += step * 5; show(); });

          const tools = element('div', null, { class: 'tools' });
          if (rows.length > 3) tools.append(search);
          tools.append(found);
          const table = element('table'), top = element('thead'), scroll = element('div', null, { class: 'scroll' });
          top.append(head);
          table.append(top, body);
          scroll.append(table);
          place.replaceChildren(tools, scroll, more);
          show();
          return { state, visible, show, search, head, body };
        }
        const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
        const compareTexts = (a, b) => collator.compare(a, b);
        const opener = (text, line) => line < 0 ? document.createTextNode(text)
          : element('button', text, { type: 'button', class: 'link', title: 'Show it in the treemap',
            onclick: () => { openInTree(line); $('space').scrollIntoView(); } });

        const tables = {};
        function makeTables() {
          const P = D.paths;
          if (P.count) {
            const rows = P.n.map((name, i) => ({ i, name, plain: shown(P.a[i] || withoutHash(name)),
              version: shown(P.v[i]) }));
            const columns = [
              { name: 'Name', key: r => r.plain, search: r => r.name,
                make: r => [opener(r.plain, P.t[r.i]), element('small', shown(r.name.slice(0, 32)), { class: 'wide' }),
                  element('small', r.version, { class: 'narrow' })] },
              { name: 'Version', wide: true, key: r => r.version, text: r => r.version },
              { name: 'Own size', title: 'What it takes on the card; what several store paths share counts once', num: true,
                key: r => P.u[r.i], text: r => bytes(P.u[r.i]) },
            ];
            if (P.x) {
              columns.push({ name: 'Closure', title: 'With everything that it needs, as NAR files', num: true, key: r => P.x[r.i],
                text: r => P.x[r.i] ? bytes(P.x[r.i]) : '–' });
            }
            if (isCompressed) {
              columns.push({ name: 'Compressed', title: 'About so much of the compressed image', num: true, wide: true,
                key: r => P.c[r.i], text: r => '≈ ' + bytes(P.c[r.i]) });
              columns.push({ name: 'Ratio', num: true, wide: true, key: r => P.u[r.i] ? P.c[r.i] / P.u[r.i] : 0,
                text: r => percent(P.c[r.i] / P.u[r.i]) });
            }
            columns.push({ name: 'Files', title: 'Names of files and links', num: true, wide: true, key: r => P.f[r.i],
              text: r => number(P.f[r.i]) });
            if (P.h.some(shared => shared > 0)) {
              columns.push({ name: 'Shared', title: 'Bytes in files that another store path has too, counted there', num: true,
                wide: true, key: r => P.h[r.i], text: r => P.h[r.i] ? bytes(P.h[r.i]) : '–' });
            }
            const note = P.count > P.n.length ? ' (the largest of ' + number(P.count) + ')' : '';
            tables.store = makeTable($('store-table'), columns, rows, ['store path', 'store paths'], { column: 2, note });
          } else {
            for (const place of document.querySelectorAll('.store')) place.hidden = true;
          }

          const F = D.files;
          const fileColumns = [
            { name: 'File', key: r => F.n[r], search: r => F.n[r],
              make: r => {
                const path = F.n[r].match(/^\/nix\/store\/([^/]+)(.*)$/s);
                if (!path) return [shown(F.n[r])];
                return [shown(path[2] || withoutHash(path[1])), element('small', shown(withoutHash(path[1])))];
              } },
            { name: 'Partition', num: true, wide: true, key: r => F.p[r], text: r => F.p[r] },
            { name: 'Length', num: true, wide: true, key: r => F.s[r], text: r => bytes(F.s[r]) },
            { name: 'On the card', num: true, key: r => F.u[r], text: r => bytes(F.u[r]) },
          ];
          if (isCompressed) {
            fileColumns.push({ name: 'Compressed', num: true, wide: true, key: r => F.c[r], text: r => '≈ ' + bytes(F.c[r]) });
            fileColumns.push({ name: 'Ratio', num: true, wide: true, key: r => F.u[r] ? F.c[r] / F.u[r] : 0,
              text: r => percent(F.c[r] / F.u[r]) });
          }
          tables.files = makeTable($('files-table'), fileColumns, F.n.map((_, i) => i), ['file', 'files'],
            { column: 3, step: 20 });

          const L = D.linked;
          if (L.files) {
            $('links-about').textContent = plural(L.files, 'file has', 'files have') + ' several names: '
              + plural(L.names, 'more name', 'more names') + ' for the same bytes, which '
              + (L.names === 1 ? 'saves ' : 'save ') + bytes(L.bytes) + ' on the card.';
            tables.links = makeTable($('links-table'), [
              { name: 'First name', key: r => L.n[r], search: r => L.n[r],
                make: r => {
                  const path = L.n[r].match(/^\/nix\/store\/([^/]+)(.*)$/s);
                  return path ? [shown(path[2] || withoutHash(path[1])), element('small', shown(withoutHash(path[1])))]
                    : [shown(L.n[r])];
                } },
              { name: 'Length', num: true, key: r => L.s[r], text: r => bytes(L.s[r]) },
              { name: 'Names', num: true, key: r => L.m[r], text: r => number(L.m[r]) },
              { name: 'Saved', num: true, key: r => L.b[r], text: r => bytes(L.b[r]) },
            ], L.n.map((_, i) => i), ['file', 'files'], { column: 3, step: 20,
              note: L.files > L.n.length ? ' (those that save the most)' : '' });
          } else {
            for (const place of document.querySelectorAll('.links')) place.hidden = true;
          }

          tables.parts = makeTable($('parts-table'), [
            { name: 'No.', num: true, key: r => -r.number, text: r => r.number },
            { name: 'Type', key: r => r.type,
              make: r => [shown(r.type), ...(r.name ? [element('small', shown(r.name))] : [])] },
            { name: 'Filesystem', key: r => r.fs, make: r => {
              const lines = [shown(r.fs || r.content)];
              if (r.uuid) lines.push(element('small', shown(r.uuid), { class: 'wide' }));
              if (r.features) lines.push(element('small', shown(r.features), { class: 'wide' }));
              if (r.problem) lines.push(element('small', shown(r.problem), { class: 'problem' }));
              return lines;
            } },
            { name: 'Label', key: r => r.label, text: r => shown(r.label) || '–' },
            { name: 'Start', num: true, wide: true, key: r => r.start, text: r => bytes(r.start) },
            { name: 'Size', num: true, key: r => r.length, text: r => bytes(r.length) },
            { name: 'Free', num: true, key: r => r.free, text: r => r.size ? bytes(r.free) : '–' },
            { name: 'Blocks of', num: true, wide: true, key: r => r.block, text: r => r.block ? bytes(r.block) : '–' },
            { name: 'Inodes free', num: true, wide: true, key: r => r.freeInodes,
              text: r => r.inodes ? number(r.freeInodes) + ' of ' + number(r.inodes) : '–' },
          ], D.parts, ['partition', 'partitions'], { column: 0 });
        }
        """#
}
