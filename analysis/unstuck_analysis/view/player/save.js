/* Saving: one picture of all copies and curves (PNG, SVG), the curves as a table (CSV), and an animation (WebM). */

function saveBlob(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link); link.click(); link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** The part of a canvas's drawing functions that the pictures use, written as SVG elements. */
class SvgInk {
  constructor(width, height) {
    Object.assign(this, { width, height, parts: [], path: '', stack: [], dash: [], matrix: '', globalAlpha: 1, lineWidth: 1, fillStyle: '#000', strokeStyle: '#000', font: SMALL, textAlign: 'left', textBaseline: 'alphabetic' });
    this.ruler = document.createElement('canvas').getContext('2d');
  }
  at(x, y) { return `${+x.toFixed(2)} ${+y.toFixed(2)} `; }
  beginPath() { this.path = ''; }
  closePath() { this.path += 'Z'; }
  moveTo(x, y) { this.path += 'M' + this.at(x, y); }
  lineTo(x, y) { this.path += 'L' + this.at(x, y); }
  quadraticCurveTo(a, b, x, y) { this.path += 'Q' + this.at(a, b) + this.at(x, y); }
  bezierCurveTo(a, b, c, d, x, y) { this.path += 'C' + this.at(a, b) + this.at(c, d) + this.at(x, y); }
  arc(x, y, r) { this.path += `M${this.at(x - r, y)}a${this.at(r, r)}0 1 0 ${this.at(2 * r, 0)}a${this.at(r, r)}0 1 0 ${this.at(-2 * r, 0)}`; }
  rect(x, y, w, h) { this.path += `M${this.at(x, y)}h${w}v${h}h${-w}Z`; }
  setLineDash(dash) { this.dash = dash; }
  save() { this.stack.push(this.matrix); }
  restore() { this.matrix = this.stack.pop(); }
  translate(x, y) { this.matrix += `translate(${this.at(x, y)})`; }
  rotate(angle) { this.matrix += `rotate(${(angle * 180 / Math.PI).toFixed(3)})`; }
  add(element, attributes, text = '') {
    const all = { ...attributes, ...(this.matrix && { transform: this.matrix }), ...(this.globalAlpha < 1 && { opacity: this.globalAlpha }) };
    this.parts.push(`<${element} ${Object.entries(all).map(([name, value]) => `${name}="${escaped(String(value))}"`).join(' ')}>${text}</${element}>`);
  }
  fill() { this.add('path', { d: this.path, fill: this.fillStyle }); }
  stroke() { this.add('path', { d: this.path, fill: 'none', stroke: this.strokeStyle, 'stroke-width': this.lineWidth, ...(this.dash.length && { 'stroke-dasharray': this.dash.join(' ') }) }); }
  fillRect(x, y, width, height) { this.add('rect', { x, y, width, height, fill: this.fillStyle }); }
  measureText(text) { this.ruler.font = this.font; return this.ruler.measureText(text); }
  fillText(text, x, y) {
    const anchor = { left: 'start', center: 'middle', right: 'end' }[this.textAlign], size = +/([\d.]+)px/.exec(this.font)[1];
    const lower = { alphabetic: 0, middle: 0.35, top: 0.8 }[this.textBaseline] * size;
    this.add('text', { x: x.toFixed(2), y: (y + lower).toFixed(2), fill: this.fillStyle, 'text-anchor': anchor, 'font-size': size, 'font-weight': parseInt(this.font, 10), 'font-family': 'system-ui, sans-serif' }, escaped(text));
  }
  toString() { return `<svg xmlns="http://www.w3.org/2000/svg" width="${this.width}" height="${this.height}" viewBox="0 0 ${this.width} ${this.height}">${this.parts.join('\n')}</svg>`; }
}

function escaped(text) { return text.replace(/[&<>"]/g, letter => `&#${letter.charCodeAt(0)};`); }

/** Sizes of the parts of the saved picture. */
function pictureLayout() {
  const panels = current().filter(ready), cell = 400, width = Math.max(panels.length, 2) * cell + 40;
  return { panels, width, height: 770, cell, net: { w: cell - 16, h: 330 } };
}

/** Draw all copies, the key and all curves as one picture on any drawing surface. */
function drawPicture(ctx, { panels, width, height, cell, net }) {
  const pal = colours(), data = curveData(), { seed, patient, neurons } = player.show;
  ctx.fillStyle = pal.back; ctx.fillRect(0, 0, width + 1, height + 1);
  heading(ctx, `Unstuck, ${clockText(player.day)}; seed ${seed}, patient ${patient}, ${neurons} neurons`, 20, 24, pal);
  panels.forEach((panel, k) => {
    const x = 20 + k * cell, { recording } = panel, layout = layOut(recording.header, net.w, net.h);
    const first = recording.columns.length - recording.header.bundles.length, means = {};
    for (const region of recording.header.regions) means[region.id] = recording.get(`activity ${region.id}`);
    ctx.fillStyle = pal.panels[panel.place]; ctx.font = `600 13px ${FONT}`; ctx.textAlign = 'left'; ctx.textBaseline = 'alphabetic';
    ctx.fillText(`${panel.letter}  ${panel.title}${panel.changed ? ', changed by hand' : ''}`.slice(0, 52), x, 50);
    ctx.fillStyle = pal.text; ctx.font = `400 12px ${FONT}`;
    const state = recording.header.notStuck ? `never stuck, ${recording.header.readout.name} ${percent(recording.get('connectivity'))}` : `recovery ${percent(recording.get('recovery'))}`;
    ctx.fillText(`${state}${recording.stressedOn(player.day) ? ', under stress' : ''}`, x, 68);
    ctx.save(); ctx.translate(x, 78);
    drawBelow(ctx, layout, pal, { strengths: recording.now.subarray(first) });
    drawMarks(ctx, layout, pal, recording.activity);
    drawAbove(ctx, layout, pal, { means, neuron: null });
    ctx.restore();
  });
  ctx.save(); ctx.translate(20, 78 + net.h + 6);
  drawKey(ctx, width - 40, pal, data.regions, true);
  ctx.restore();
  const top = 78 + net.h + 62, room = height - top - 8, split = Math.round((width - 40) * 0.4);
  drawSheet(ctx, recoveryPlots({ x: 20, y: top, w: split, h: room }, data), pal, data);
  drawSheet(ctx, smallPlots({ x: 44 + split, y: top, w: width - 80 - split, h: room }, data), pal, data);
}

function savePng() {
  const layout = pictureLayout(), sheet = document.createElement('canvas'), ctx = sheet.getContext('2d');
  sheet.width = 2 * layout.width; sheet.height = 2 * layout.height;
  ctx.scale(2, 2);
  drawPicture(ctx, layout);
  sheet.toBlob(blob => saveBlob(blob, 'unstuck.png'));
}

function saveSvg() {
  const layout = pictureLayout(), ink = new SvgInk(layout.width, layout.height);
  drawPicture(ink, layout);
  saveBlob(new Blob([ink.toString()], { type: 'image/svg+xml' }), 'unstuck.svg');
}

/** All curves until the present day, one line per copy and moment. */
function saveCsv() {
  const panels = current().filter(ready), names = [...new Set(panels.flatMap(panel => panel.recording.columns))];
  const lines = [['copy', 'treatment', ...names].join(',')];
  for (const { recording, letter, treatment } of panels) {
    recording.days.forEach((day, f) => {
      if (day > player.day + 1e-9) return;
      const values = names.map(name => name in recording.position ? +recording.values[f][recording.position[name]].toPrecision(6) : '');
      lines.push([letter, `"${treatment.replaceAll('"', '""')}"`, ...values].join(','));
    });
  }
  saveBlob(new Blob([lines.join('\n') + '\n'], { type: 'text/csv' }), 'unstuck-curves.csv');
}

/** Play from the present day to the end (or through the scene) and save what is seen as a WebM film. */
function saveWebm() {
  const layout = pictureLayout(), sheet = document.createElement('canvas'), ctx = sheet.getContext('2d'), pieces = [];
  sheet.width = layout.width; sheet.height = layout.height;
  const film = new MediaRecorder(sheet.captureStream(20), { mimeType: 'video/webm', videoBitsPerSecond: 4e6 });
  film.addEventListener('dataavailable', event => pieces.push(event.data));
  film.addEventListener('stop', () => { note(''); saveBlob(new Blob(pieces, { type: 'video/webm' }), 'unstuck.webm'); });
  $('set-up').open = false;
  note('Recording an animation until time stops; press Pause to end it.');
  if (!player.playing) togglePlay();
  film.start();
  const paintFilm = () => {
    drawPicture(ctx, layout);
    if (player.playing) setTimeout(paintFilm, 50); else film.stop();
  };
  paintFilm();
}
