extension InspectPage {
    /// The map of the disk. Each cell stands for the same number of bytes; a bar beside each row shows its compression.
    static let diskScript = #"""
        const M = D.map, pieces = M.l.length;
        const starts = new Float64Array(pieces + 1);
        for (let i = 0; i < pieces; i++) starts[i + 1] = starts[i] + M.l[i];
        const end = D.size, freeKinds = new Set([16, 17]), fileKind = 12;
        const disk = { from: 0, to: end, only: -1, at: -1, columns: 1, rows: 1, cell: 1 };
        const diskCanvas = $('disk-canvas'), diskMark = $('disk-mark');

        const kindColours = {
          light: ['#c22f2f', '#d9822b', '#eba54f', '#f1c88a', '#5b3fa8', '#7a62c4', '#c9bfe6', '#9a55b8', '#b98bd0',
            '#d1578f', '#1f8f86', '#57b8ac', '#4b88d8', '#7fc4e8', '#8a6d4f', '#7d8795', '#dde2e9', '#eff1f4'],
          dark: ['#e05a5a', '#d98a3c', '#c9913f', '#a5803f', '#8d74e0', '#7561c4', '#4a4170', '#a866c8', '#7f5a96',
            '#d86a9c', '#2fa89d', '#2f7d76', '#3f74bd', '#4f9cc4', '#9a7d5c', '#6a7381', '#2a313c', '#1e242c'],
        };
        const kindColour = (kind, owner) => {
          // Store paths that follow each other have two colours in turn.
          if (kind === fileKind && owner % 2) return isDark() ? '#5a8fd6' : '#6fa3e6';
          return kindColours[isDark() ? 'dark' : 'light'][kind];
        };
        function after(list, value) {
          // The last place whose start is not past the value.
          let low = 0, high = list.length - 2;
          while (low < high) {
            const middle = (low + high + 1) >> 1;
            if (list[middle] <= value) low = middle; else high = middle - 1;
          }
          return low;
        }
        const pieceAt = offset => after(starts, offset);

        const frames = D.frames ? { starts: new Float64Array(D.frames.l.length + 1), c: D.frames.c } : null;
        if (frames) D.frames.l.forEach((length, i) => { frames.starts[i + 1] = frames.starts[i] + length; });
        // How many bytes of a range there are, and about how many of the file.
        function ratioOf(from, to) {
          if (!frames || !frames.c.length) return null;
          let sum = 0, i = after(frames.starts, from);
          for (; i < frames.c.length && frames.starts[i] < to; i++) {
            const length = frames.starts[i + 1] - frames.starts[i];
            const part = Math.min(to, frames.starts[i + 1]) - Math.max(from, frames.starts[i]);
            if (length > 0 && part > 0) sum += frames.c[i] * part / length;
          }
          return to > from ? sum / (to - from) : null;
        }

        // What a cell shows: of all that is in it, what is kept before what is free, then what has most of it.
        function cellPiece(from, to) {
          let best = -1, most = -1;
          for (let i = pieceAt(from); i < pieces && starts[i] < to; i++) {
            const part = Math.min(to, starts[i + 1]) - Math.max(from, starts[i]);
            const value = part + (freeKinds.has(M.k[i]) ? 0 : end);
            if (part > 0 && value > most) { most = value; best = i; }
          }
          return best;
        }

        const gutter = () => diskCanvas.clientWidth < 520 ? 58 : 76;
        const barRoom = () => frames ? (diskCanvas.clientWidth < 520 ? 62 : 150) : 0;
        function drawDisk() {
          const size = diskCanvas.clientWidth < 520 ? 10 : 12;
          const rows = diskCanvas.clientWidth < 520 ? 40 : 32, top = frames ? 18 : 4;
          const [context, width] = prepare(diskCanvas, rows * size + top + 2);
          const left = gutter(), bars = barRoom();
          const columns = Math.max(8, Math.floor((width - left - (bars ? bars + 12 : 0)) / size));
          Object.assign(disk, { columns, rows, size, top, left, cell: (disk.to - disk.from) / (columns * rows) });
          const ink = getComputedStyle(document.body).color, night = isDark();
          context.textBaseline = 'middle';
          context.font = '11px ' + fonts;
          for (let row = 0; row < rows; row++) {
            const y = top + row * size;
            for (let column = 0; column < columns; column++) {
              const from = disk.from + (row * columns + column) * disk.cell;
              const piece = cellPiece(from, from + disk.cell);
              if (piece < 0) continue;
              context.globalAlpha = disk.only >= 0 && M.k[piece] !== disk.only ? .12 : 1;
              context.fillStyle = kindColour(M.k[piece], M.o[piece]);
              context.fillRect(left + column * size, y, size - 1, size - 1);
            }
            context.globalAlpha = 1;
            const from = disk.from + row * columns * disk.cell, to = from + columns * disk.cell;
            if (row % 4 === 0) {
              context.fillStyle = ink;
              context.textAlign = 'right';
              context.globalAlpha = .7;
              context.fillText(bytes(Math.floor(from)), left - 7, y + size / 2);
              context.globalAlpha = 1;
            }
            if (bars) {
              const x = left + columns * size + 12, ratio = ratioOf(from, to) || 0, room = width - x;
              context.fillStyle = night ? '#262d37' : '#eceff3';
              context.fillRect(x, y + 1, room, size - 3);
              context.fillStyle = ratioColour(ratio);
              context.fillRect(x, y + 1, Math.max(ratio > 0 ? 1 : 0, room * Math.min(1, ratio)), size - 3);
            }
          }
          context.fillStyle = ink;
          context.globalAlpha = .7;
          context.textAlign = 'left';
          if (bars) context.fillText(width < 520 ? 'compressed' : 'compressed to', left + columns * size + 12, 8);
          context.globalAlpha = 1;
          drawStrip();
          const whole = disk.to - disk.from >= end;
          $('disk-range').textContent = (whole ? 'The whole disk, ' + bytes(end)
            : bytes(Math.floor(disk.from)) + ' to ' + bytes(Math.floor(disk.to)) + ' of ' + bytes(end))
            + '; a cell is ' + bytes(Math.max(1, Math.round(disk.cell)));
          $('disk-out').disabled = $('disk-all').disabled = whole;
          $('disk-in').disabled = disk.cell <= 512;
          markDisk();
        }
        function drawStrip() {
          const [context, width, height] = prepare($('disk-strip'));
          for (let x = 0; x < width; x++) {
            const piece = cellPiece(x / width * end, (x + 1) / width * end);
            if (piece < 0) continue;
            context.fillStyle = kindColour(M.k[piece], 0);
            context.fillRect(x, 0, 1, height);
          }
          if (disk.to - disk.from < end) {
            const x = disk.from / end * width, w = Math.max(3, (disk.to - disk.from) / end * width);
            context.strokeStyle = isDark() ? '#fff' : '#000';
            context.lineWidth = 2;
            context.strokeRect(Math.min(x, width - 3), 1, w, height - 2);
          }
          let free = -1;
          $('strip-names').replaceChildren(...D.parts.filter(part => part.start < end).map(part => {
            const name = element('span', shown(part.label || part.fs || part.type), { title: 'partition ' + part.number });
            const x = part.start / end * width;
            name.style.left = x + 'px';
            name.style.maxWidth = Math.max(0, Math.min(part.length / end * width, width - x)) + 'px';
            // Too narrow for its name, or under another's.
            if (part.length / end * width < 30 || x < free) name.textContent = '';
            free = Math.max(free, x + part.length / end * width);
            return name;
          }));
        }

        const ownerName = piece => {
          const owner = M.o[piece];
          return owner >= 0 ? label(owner) : '';
        };
        function aboutPiece(piece, offset) {
          const [name] = D.kinds[M.k[piece]], owner = ownerName(piece);
          const lines = [bytes(M.l[piece]) + ' from ' + bytes(starts[piece]) + ' (byte ' + number(starts[piece]) + ')'];
          if (frames) {
            const i = after(frames.starts, offset), length = frames.starts[i + 1] - frames.starts[i];
            if (length > 0) {
              lines.push((D.frames.step > 1 ? 'frames' : 'frame ' + number(i)) + ' of ' + bytes(length) + ', compressed to '
                + bytes(frames.c[i]) + ' (' + percent(frames.c[i] / length) + ')');
            }
          }
          return [owner ? owner + ' – ' + name.toLowerCase() : name, lines];
        }
        const offsetOf = cell => disk.from + cell * disk.cell;
        function markDisk() {
          diskMark.hidden = disk.at < 0;
          if (disk.at < 0) { $('disk-detail').textContent = ''; return; }
          const row = Math.floor(disk.at / disk.columns), column = disk.at % disk.columns;
          Object.assign(diskMark.style, { left: disk.left + column * disk.size - 2 + 'px', top: disk.top + row * disk.size - 2 + 'px',
            width: disk.size + 3 + 'px', height: disk.size + 3 + 'px' });
          const piece = cellPiece(offsetOf(disk.at), offsetOf(disk.at + 1));
          if (piece < 0) return;
          const [title, lines] = aboutPiece(piece, Math.max(starts[piece], offsetOf(disk.at)));
          $('disk-detail').textContent = title + ' – ' + lines.join('; ');
        }
        // Half as much or twice as much of the disk, around a place of it that stays where it is.
        function scale(factor, around) {
          const smallest = 512 * disk.columns * disk.rows;
          const length = Math.min(end, Math.max(smallest, (disk.to - disk.from) * factor));
          const middle = around === undefined ? (disk.from + disk.to) / 2 : around;
          const share = (middle - disk.from) / (disk.to - disk.from);
          disk.from = Math.max(0, Math.min(end - length, middle - share * length));
          disk.to = disk.from + length;
          disk.at = around === undefined ? -1 : Math.min(disk.columns * disk.rows - 1,
            Math.max(0, Math.floor((middle - disk.from) / length * disk.columns * disk.rows)));
          drawDisk();
        }
        function cellAt(event) {
          const area = diskCanvas.getBoundingClientRect();
          const column = Math.floor((event.clientX - area.left - disk.left) / disk.size);
          const row = Math.floor((event.clientY - area.top - disk.top) / disk.size);
          const inMap = column >= 0 && column < disk.columns && row >= 0 && row < disk.rows;
          return inMap ? row * disk.columns + column : -1;
        }
        diskCanvas.addEventListener('pointermove', event => {
          const cell = cellAt(event);
          if (cell < 0) return hideTip();
          if (cell !== disk.at) { disk.at = cell; markDisk(); }
          const piece = cellPiece(offsetOf(cell), offsetOf(cell + 1));
          if (piece >= 0 && event.pointerType === 'mouse') {
            showTip(event, ...aboutPiece(piece, Math.max(starts[piece], offsetOf(cell))));
          }
        });
        diskCanvas.addEventListener('pointerleave', hideTip);
        diskCanvas.addEventListener('click', event => {
          const cell = cellAt(event);
          if (cell < 0) return;
          hideTip();
          scale(event.shiftKey ? 4 : .25, offsetOf(cell + .5));
        });
        diskCanvas.addEventListener('keydown', event => {
          const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -disk.columns, ArrowDown: disk.columns }[event.key];
          const around = disk.at >= 0 ? offsetOf(disk.at + .5) : undefined;
          if (step) {
            disk.at = Math.max(0, Math.min(disk.columns * disk.rows - 1, disk.at < 0 ? 0 : disk.at + step));
            markDisk();
          } else if (event.key === '+' || event.key === 'Enter') scale(.25, around);
          else if (event.key === '-' || event.key === 'Backspace') scale(4, around);
          else if (event.key === 'Home') scale(Infinity);
          else return;
          event.preventDefault();
        });
        $('disk-in').addEventListener('click', () => scale(.25));
        $('disk-out').addEventListener('click', () => scale(4));
        $('disk-all').addEventListener('click', () => scale(Infinity));

        function drawLegend() {
          const rows = [];
          D.kinds.forEach(([name, what], kind) => {
            if (!M.sums[kind]) return;
            const line = element('tr', null, { class: disk.only === kind ? 'on' : '' }), cell = element('td');
            const button = element('button', null, { type: 'button', 'aria-pressed': disk.only === kind,
              title: 'Show only this on the map', onclick: () => {
                disk.only = disk.only === kind ? -1 : kind;
                drawDisk();
                drawLegend();
              } });
            const swatch = element('span', null, { class: 'swatch' });
            swatch.style.background = kindColour(kind, 0);
            button.append(swatch, name, element('span', ' – ' + what, { class: 'what' }));
            cell.append(button);
            line.append(cell, element('td', bytes(M.sums[kind]), { class: 'num', title: number(M.sums[kind]) + ' bytes' }),
              element('td', percent(M.sums[kind] / end), { class: 'num' }), element('td', number(M.runs[kind]), { class: 'num' }));
            rows.push(line);
          });
          $('legend').tBodies[0].replaceChildren(...rows);
        }

        $('disk-about').textContent = 'From the first byte to the last, row after row. Click to look closer, with Shift to look '
          + 'from further; choose a line of the table below to see only that. '
          + (frames ? 'The bars on the right show what is left of each row in the compressed image.'
            : D.form ? 'The image is compressed as a whole, so there are no figures of its parts.' : 'The image is not compressed.');
        """#
}
