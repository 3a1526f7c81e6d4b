/* The curves: recovery with doses and stress, and small plots of serotonin and BDNF per region. */

const SMALL = `400 10.5px ${FONT}`;

/** Days that are labelled on a time axis; the last one is always the end of the axis. */
function dayTicks(from, to, most = 7.5) {
  const step = [1, 2, 7, 14, 28, 42, 56, 84].find(s => (to - from) / s <= most) || 112;
  const ticks = [];
  for (let d = Math.ceil(from / step) * step; d < to - step * 0.45; d += step) ticks.push(d);
  return ticks.concat(to);
}

/** A round step that divides a span into at most three. */
function roundStep(span) {
  const ten = 10 ** Math.floor(Math.log10(span / 3));
  return [1, 2, 5, 10].find(times => times * ten >= span / 3) * ten;
}

/** Lowest and highest value of some columns from a day on. */
function extremes(panels, names, from) {
  let low = Infinity, high = -Infinity;
  for (const { recording } of panels) {
    const picks = names.map(name => recording.position[name]).filter(k => k !== undefined);
    for (let f = 0; f < recording.days.length; f++) {
      if (recording.days[f] >= from) for (const k of picks) { const v = recording.values[f][k]; if (v < low) low = v; if (v > high) high = v; }
    }
  }
  return [low, high];
}

/** What the large curve shows: recovery, or connectivity for a patient whom stress did not make stuck. */
function mainMeasure(panels) {
  const stuck = panels.some(panel => !panel.recording.header.notStuck);
  const { name, limit, weaker } = panels[0].recording.header.readout, title = name === 'connectivity' ? 'Recovery of connections' : `Recovery of ${name}`;
  return stuck
    ? { column: 'recovery', title, marks: [[0, 'stuck'], [0.5, '50 %'], [1, 'healthy']], dashed: 0.5, usual: [-0.15, 1.15] }
    : { column: 'connectivity', title: `${name[0].toUpperCase()}${name.slice(1)} (never stuck)`, marks: [[limit, percent(limit)], [1, 'healthy']], dashed: limit, usual: weaker ? [0.8, 1.1] : [0.9, 1.3] };
}

/** The plot of recovery inside a box, with a strip for doses and stress below it. */
function recoveryPlots(box, data) {
  const strip = 10 * data.panels.length + 4, measure = mainMeasure(data.panels);
  const [lowest, highest] = extremes(data.panels, [measure.column], data.window[0]);
  const range = [Math.min(measure.usual[0], lowest - 0.02), Math.max(measure.usual[1], highest + 0.05)];
  const plot = { ...measure, range, x: box.x + 52, y: box.y + 20, w: box.w - 76, h: box.h - 20 - strip - 20, name: 'recovery', strip, main: true };
  return [plot];
}

/** Small plots of serotonin and BDNF per region inside a box. */
function smallPlots(box, data) {
  const columns = box.w < 420 ? 3 : data.regions.length, lines = Math.ceil(data.regions.length / columns);
  const lineH = Math.max(56, (box.h - 34) / (2 * lines)), plots = [];
  let y = box.y;
  for (const [word, title, usual] of [['serotonin', 'Serotonin', 1.6], ['bdnf', 'BDNF', 1.3]]) {
    const picks = data.regions.map(region => `${word} ${region.id}`), [low, high] = extremes(data.panels, picks, data.window[0]);
    const floor = word === 'bdnf' && low >= 0.5 ? 0.5 : 0, range = [floor, high > usual ? Math.ceil(high * 2.1) / 2 : usual];
    const step = roundStep(range[1] - floor);
    data.regions.forEach((region, k) => {
      const w = (box.w - 34 - (columns - 1) * 12) / columns, marks = [];
      for (let v = Math.ceil(floor / step) * step; v <= range[1]; v += step) marks.push([v, k % columns ? '' : `${+v.toFixed(3)}`]);
      if (!marks.some(([v]) => v === 1)) marks.push([1, '']);
      plots.push({
        name: word, column: picks[k], range, marks, dashed: 1, label: region.id, title: k === 0 ? `${title} per region (healthy = 1)` : '',
        x: box.x + 22 + (k % columns) * (w + 12), y: y + 33 + Math.floor(k / columns) * lineH, w, h: lineH - 38,
        days: word === 'bdnf' && k >= data.regions.length - columns, top: y,
      });
    });
    y += lines * lineH + 8;
  }
  return plots;
}

const toX = (plot, [from, to]) => day => plot.x + (day - from) / (to - from) * plot.w;
const toY = (plot, [low, high]) => value => plot.y + plot.h - (value - low) / (high - low) * plot.h;

function heading(ctx, text, x, y, pal) {
  ctx.font = `600 12px ${FONT}`; ctx.fillStyle = pal.text; ctx.textAlign = 'left'; ctx.textBaseline = 'alphabetic';
  ctx.fillText(text, x, y);
}

/** Frame of one plot: title, grid, labels of both axes. */
function drawAxes(ctx, plot, pal, data) {
  const px = toX(plot, data.window), py = toY(plot, plot.range);
  if (plot.title) heading(ctx, plot.title, plot.main ? plot.x - 52 : plot.x - 22, (plot.main ? plot.y - 20 : plot.top) + 10, pal);
  ctx.font = SMALL; ctx.lineWidth = 1;
  let lastY = Infinity; // of a number: the next one is left out where it would touch it
  for (const [value, text] of plot.marks) {
    if (value < plot.range[0] || value > plot.range[1]) continue;
    const dashed = plot.dashed === value;
    ctx.strokeStyle = dashed ? pal.pipe : pal.line; ctx.setLineDash(dashed ? [3, 3] : []);
    ctx.beginPath(); ctx.moveTo(plot.x, py(value)); ctx.lineTo(plot.x + plot.w, py(value)); ctx.stroke();
    ctx.setLineDash([]);
    if (text && lastY - py(value) >= 11) { lastY = py(value); ctx.fillStyle = pal.faint; ctx.textAlign = 'right'; ctx.textBaseline = 'middle'; ctx.fillText(text, plot.x - 4, lastY); }
  }
  if (data.window[0] < 0) { ctx.strokeStyle = pal.line; ctx.beginPath(); ctx.moveTo(px(0), plot.y); ctx.lineTo(px(0), plot.y + plot.h); ctx.stroke(); }
  if (plot.label) { ctx.font = `600 10.5px ${FONT}`; ctx.fillStyle = pal.text; ctx.textAlign = 'left'; ctx.textBaseline = 'alphabetic'; ctx.fillText(plot.label, plot.x, plot.y - 4); }
  if (plot.main || plot.days) drawDays(ctx, plot, pal, data, px);
}

function drawDays(ctx, plot, pal, data, px) {
  const y = plot.y + plot.h + (plot.main ? plot.strip + 6 : 5), last = data.window[1];
  ctx.font = SMALL; ctx.fillStyle = pal.faint; ctx.textBaseline = 'top';
  const ticks = plot.w > 200 ? dayTicks(...data.window, plot.w > 300 ? 7.5 : 4) : [...(data.window[0] < -1 && plot.w > 90 ? [0] : []), last];
  for (const day of ticks) {
    const end = day === last, text = end || (plot.main && day === 0) ? `day ${+day.toFixed(1)}` : `${day}`;
    ctx.textAlign = end ? 'right' : 'center';
    ctx.fillText(text, end ? plot.x + plot.w + 8 : px(day), y);
  }
}

/** The lines of all copies in one plot, until a day. */
function drawLines(ctx, plot, pal, data, until) {
  const px = toX(plot, data.window), py = toY(plot, plot.range);
  data.panels.forEach(({ recording, place }) => {
    const column = recording.position[plot.column];
    if (column === undefined) return;
    ctx.beginPath();
    let drawn = -Infinity, started = false;
    const last = recording.days.length - 1;
    for (let f = Math.max(0, recording.frameAt(data.window[0])); f <= last && recording.days[f] <= until; f++) {
      const x = px(Math.max(recording.days[f], data.window[0]));
      if (started && x - drawn < 0.5 && f < last) continue; // no more points than pixels
      if (started) ctx.lineTo(x, py(recording.values[f][column])); else ctx.moveTo(x, py(recording.values[f][column]));
      started = true; drawn = x;
    }
    if (started && until < recording.lastDay) ctx.lineTo(px(until), py(recording.now[column]));
    ctx.strokeStyle = pal.panels[place]; ctx.lineWidth = 1.9; ctx.lineJoin = 'round'; ctx.setLineDash(PANEL_DASHES[place]);
    ctx.stroke();
    ctx.setLineDash([]);
  });
}

/** Doses and stress of all copies below the plot of recovery, until a day. */
function drawDoses(ctx, plot, pal, data, until) {
  const [from] = data.window, x = toX(plot, data.window), px = day => Math.max(plot.x, Math.min(plot.x + plot.w, x(day)));
  data.panels.forEach(({ recording, place }, line) => {
    const y = plot.y + plot.h + 6 + 10 * line;
    ctx.fillStyle = pal.amber;
    for (const [a, b] of recording.stressed) {
      const end = Math.min(b, until);
      if (end > from && a < end) ctx.fillRect(px(a), y + 1, Math.max(1, px(end) - px(a)), 6);
    }
    ctx.fillStyle = pal.panels[place];
    for (const [day, , hand] of recording.doses) {
      if (day < from || day > until + 1e-6) continue;
      if (hand) { ctx.beginPath(); ctx.moveTo(px(day), y - 1); ctx.lineTo(px(day) + 4.5, y + 4); ctx.lineTo(px(day), y + 9); ctx.lineTo(px(day) - 4.5, y + 4); ctx.fill(); }
      else ctx.fillRect(px(day) - 0.8, y, 1.6, 8);
    }
  });
}

function drawStrips(ctx, plot, pal, data) {
  data.panels.forEach(({ letter, place }, line) => {
    const y = plot.y + plot.h + 6 + 10 * line;
    ctx.font = `600 9px ${FONT}`; ctx.fillStyle = pal.panels[place]; ctx.textAlign = 'right'; ctx.textBaseline = 'middle';
    ctx.fillText(`${letter} doses`, plot.x - 4, y + 4);
    ctx.fillStyle = pal.disc; ctx.fillRect(plot.x, y, plot.w, 8);
  });
  let x = plot.x + plot.w + 24;
  ctx.font = SMALL; ctx.textBaseline = 'middle'; ctx.textAlign = 'left';
  for (const [text, mark] of [['stress', 'stress'], ['by hand', 'hand'], ['dose', 'dose']]) {
    x -= ctx.measureText(text).width;
    ctx.fillStyle = pal.faint; ctx.fillText(text, x, plot.y - 14);
    x -= 10; ctx.fillStyle = mark === 'stress' ? pal.amber : pal.text;
    const y = plot.y - 14;
    if (mark === 'stress') ctx.fillRect(x - 6, y - 3, 12, 6);
    else if (mark === 'hand') { ctx.beginPath(); ctx.moveTo(x + 1, y - 5); ctx.lineTo(x + 5.5, y); ctx.lineTo(x + 1, y + 5); ctx.lineTo(x - 3.5, y); ctx.fill(); }
    else ctx.fillRect(x + 2, y - 4, 1.6, 8);
    x -= 12;
  }
}

/** The present day in one plot: a line, and a dot per copy (with its letter in the large plot). */
function drawPresent(ctx, plot, pal, data) {
  const px = toX(plot, data.window), py = toY(plot, plot.range), ends = [];
  for (const { recording, letter, place } of data.panels) {
    const value = recording.get(plot.column), x = px(Math.min(data.day, recording.lastDay));
    if (Number.isNaN(value) || x < plot.x - 1) continue;
    ctx.beginPath(); ctx.arc(x, py(value), 2.6, 0, 7); ctx.fillStyle = pal.panels[place]; ctx.fill();
    ends.push({ letter, place, x, y: py(value) });
  }
  if (!plot.main) return;
  ends.sort((a, b) => a.y - b.y);
  ends.forEach((end, k) => { if (k) end.y = Math.max(end.y, ends[k - 1].y + 12); }); // letters never cover each other
  const over = ends.length ? Math.max(0, ends[ends.length - 1].y - plot.y - plot.h + 5) : 0;
  for (const end of ends) {
    ctx.font = `700 11px ${FONT}`; ctx.fillStyle = pal.panels[end.place]; ctx.textAlign = 'left'; ctx.textBaseline = 'middle';
    ctx.fillText(end.letter, end.x + 6, end.y - over);
  }
}

/** All plots of a sheet at the present day, drawn at once: for pictures that are saved. */
function drawSheet(ctx, plots, pal, data) {
  for (const plot of plots) {
    drawAxes(ctx, plot, pal, data);
    if (plot.main) { drawStrips(ctx, plot, pal, data); drawDoses(ctx, plot, pal, data, data.day); }
    drawLines(ctx, plot, pal, data, data.day);
    drawPresent(ctx, plot, pal, data);
  }
}

/** Curves on a canvas. Three layers are drawn when something changes; a frame only copies parts of them. */
class Sheet {
  constructor(canvas, plotsOf) {
    this.canvas = canvas; this.plotsOf = plotsOf; this.stale = true;
    this.layers = Object.fromEntries(['axes', 'seen', 'past'].map(name => [name, document.createElement('canvas')]));
  }

  /** Draw all layers again for this size, colours and recordings. */
  refresh(pal, data) {
    const ratio = window.devicePixelRatio || 1, width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    this.plots = this.plotsOf({ x: 0, y: 0, w: width, h: height }, data);
    for (const canvas of [this.canvas, ...Object.values(this.layers)]) { canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); }
    Object.assign(this, { ratio, width, height, stale: false });
    const inks = Object.fromEntries(Object.entries(this.layers).map(([name, canvas]) => [name, canvas.getContext('2d')]));
    for (const ctx of Object.values(inks)) ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    inks.axes.fillStyle = pal.back; inks.axes.fillRect(0, 0, width + 1, height + 1);
    inks.seen.globalAlpha = 0.3;
    for (const plot of this.plots) {
      drawAxes(inks.axes, plot, pal, data);
      if (plot.main) { drawStrips(inks.axes, plot, pal, data); drawDoses(inks.seen, plot, pal, data, Infinity); drawDoses(inks.past, plot, pal, data, Infinity); }
      drawLines(inks.seen, plot, pal, data, Infinity); drawLines(inks.past, plot, pal, data, Infinity);
    }
  }

  paint(pal, data) {
    if (!this.canvas.clientWidth || !data.panels.length) return;
    if (this.stale) this.refresh(pal, data);
    const ctx = this.canvas.getContext('2d', { alpha: false }), { ratio } = this;
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.drawImage(this.layers.axes, 0, 0);
    for (const plot of this.plots) {
      const px = toX(plot, data.window), below = plot.main ? plot.strip + 8 : 3;
      const copy = (layer, from, to) => {
        const x = Math.round((from - 1) * ratio), w = Math.round((Math.min(to, plot.x + plot.w + 5) - from + 1) * ratio);
        const y = Math.round((plot.y - 3) * ratio), h = Math.round((plot.h + 3 + below) * ratio);
        if (w > 0) ctx.drawImage(layer, x, y, w, h, x, y, w, h);
      };
      const now = px(data.day);
      if (data.seen > data.day) copy(this.layers.seen, Math.max(now, plot.x), px(data.seen));
      copy(this.layers.past, plot.x, now);
    }
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const plot of this.plots) drawPresent(ctx, plot, pal, data);
    this.drawPointer(ctx, pal, data.pointAt);
  }

  drawPointer(ctx, pal, name) {
    const plots = this.plots.filter(plot => plot.name === name);
    if (!plots.length) return;
    const left = Math.min(...plots.map(p => p.x)) - 4, right = Math.max(...plots.map(p => p.x + p.w)) + 6;
    const top = Math.min(...plots.map(p => p.y)) - 5, bottom = Math.max(...plots.map(p => p.y + p.h)) + 5;
    ctx.lineWidth = 3; ctx.strokeStyle = pal.accent; ctx.strokeRect(left, top, right - left, bottom - top);
  }
}
