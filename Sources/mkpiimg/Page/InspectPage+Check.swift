extension InspectPage {
    /// Starts the page. If its address ends with `#check`, the page tests itself and writes the result to the attribute
    /// `data-check` of its root element, where `Tests/page.sh` reads it.
    static let checkScript = #"""
        if (!isCompressed) for (const choice of document.querySelectorAll('.compressed')) choice.hidden = true;
        const problems = D.parts.filter(part => part.problem);
        if (problems.length || D.omitted) {
          $('problem').hidden = false;
          $('problem').textContent = problems.map(part => 'Partition ' + part.number + ': ' + shown(part.problem)).join(' ')
            + (D.omitted ? ' ' + number(D.omitted) + ' names are not told apart, as there are too many.' : '');
        }
        makeTables();
        // A disk's one large partition is opened right away.
        const main = inside(0).find(line => nodeKind(line) === 'partition' && weight(line) > .8 * weight(0));
        show(main === undefined ? 0 : main);
        drawDisk();
        drawLegend();
        redraws.push(drawTree, drawDisk, drawLegend);
        addEventListener('beforeprint', redraw);
        addEventListener('afterprint', redraw);
        page.dataset.ready = [count, pieces, D.paths.count, D.files.n.length].join(' ');

        function check() {
          const failures = [], test = (what, holds) => { if (!holds) failures.push(what); };
          const key = (place, name) => place.dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true, cancelable: true }));
          test('pieces cover the disk', starts[pieces] === end && M.sums.reduce((a, b) => a + b, 0) === end);
          test('the sizes are the disk', Math.abs(sums.u[0] + sums.free[0] - end) < 1);
          // Zoom: by keys, by the way back, by the list.
          show(0);
          test('boxes are drawn', tree.boxes.length > 0);
          key(treeCanvas, 'ArrowRight');
          test('a key chooses', tree.chosen >= 0 && !treeMark.hidden && $('tree-detail').textContent.length > 0);
          const first = inside(0).find(line => children[line].length);
          if (first !== undefined) {
            choose(first);
            key(treeCanvas, 'Enter');
            test('Enter opens', tree.root === first && $('way').children.length === 2);
            const button = $('inside').querySelector('button');
            if (button) { button.click(); test('the list opens', T.d[tree.root] === 2); }
            key(treeCanvas, 'Backspace');
            $('way').firstElementChild.click();
            test('the way leads back', tree.root === 0);
          }
          for (const [name, value] of [['measure', 'c'], ['colour', 'ratio'], ['colour', 'part'], ['measure', 'u']]) {
            $(name).value = value;
            $(name).dispatchEvent(new Event('change'));
          }
          $('with-free').click();
          test('free space shows', Math.abs(weight(0) - end) < 1);
          $('with-free').click();
          for (const box of tree.boxes) {
            test('boxes lie in the canvas', box.x > -1 && box.y > -1 && box.x + box.w < treeCanvas.clientWidth + 1
              && box.y + box.h < treeCanvas.clientHeight + 1);
          }
          // Search and sort, in every table and column.
          const type = (place, text) => { place.value = text; place.dispatchEvent(new Event('input')); };
          const named = T.n.findIndex((name, line) => line > 0 && typeof name === 'string' && nodeKind(line) === 'file' && weight(line) > 0);
          if (named >= 0) {
            type($('find'), T.n[named]);
            test('what is there is found', $('inside').children.length > 0);
            $('inside').firstElementChild.click();
          }
          type($('find'), 'no such name \u0001');
          test('what is not there is not found', $('inside').children.length === 0);
          type($('find'), '');
          show(0);
          for (const [name, table] of Object.entries(tables)) {
            const rows = table.visible().length;
            [...table.head.children].forEach((cell, column) => {
              cell.firstElementChild.click();
              const once = table.visible().map(entry => entry.index);
              cell.firstElementChild.click();
              const twice = table.visible().map(entry => entry.index);
              test(name + ' sorts', once.length === rows && twice.length === rows && cell.hasAttribute('aria-sort'));
            });
            type(table.search, 'no such name \u0001');
            test(name + ' searches', table.visible().length === 0);
            type(table.search, '');
            test(name + ' shows all again', table.visible().length === rows && table.body.children.length <= 250);
          }
          // The map.
          const cells = disk.cell;
          key(diskCanvas, 'ArrowDown');
          test('the map tells', $('disk-detail').textContent.length > 0);
          key(diskCanvas, '+');
          test('the map comes closer', disk.cell < cells || cells <= 512);
          key(diskCanvas, 'Home');
          test('the map goes back', disk.cell === cells);
          const kind = $('legend').querySelector('button');
          kind.click();
          test('the legend chooses', disk.only >= 0);
          $('legend').querySelector('[aria-pressed=true]').click();
          test('nothing is wider than the page', page.scrollWidth <= page.clientWidth + 1);
          test('few elements', document.querySelectorAll('*').length < 4000);
          page.dataset.check = failures.length ? 'failed: ' + [...new Set(failures)].join(', ') : 'ok';
        }
        if (location.hash === '#check') check();
        """#
}
