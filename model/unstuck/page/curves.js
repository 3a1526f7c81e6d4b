/* The curves: recovery with doses and stress, and small multiples of serotonin and BDNF by region. */

const WINDOWS = [7, 14, 28, 56, 84, 126, 168, 252, 365];

/** First and last day of the time axis: everything so far, in a window that grows in steps. */
function timeWindow(day, first) {
  if (day < 0) return [first, 7];
  const last = WINDOWS.find(w => w >= day) || day;
  return [-0.08 * last, last];
}

function dayTicks(from, to) {
  const step = [1, 2, 7, 14, 28, 56].find(s => (to - from) / s <= 7.5) || 84;
  const ticks = [];
  for (let d = Math.ceil(from / step) * step; d <= to + 1e-9; d += step) ticks.push(d);
  return ticks;
}

/** A round step that divides a span into three at most. */
function roundStep(span) {
  const ten = 10 ** Math.floor(Math.log10(span / 3));
  return [1, 2, 5, 10].find(times => times * ten >= span / 3) * ten;
}

/** One plot: frame, grid, lines of all panels. A column is named, because circuits differ; column 0 is the day. */
function drawPlot(ctx, box, pal, plot) {
  const { x, y, w, h } = box, [from, to] = plot.window, [low, high] = plot.range;
  const px = day => x + (day - from) / (to - from) * w, py = v => y + h - (v - low) / (high - low) * h;
  ctx.font = `400 10.5px ${FONT}`;
  ctx.lineWidth = 1;
  for (const [value, text] of plot.marks) {
    if (value < low || value > high) continue;
    ctx.strokeStyle = pal.line; ctx.setLineDash(plot.dashed === value ? [3, 3] : []);
    ctx.beginPath(); ctx.moveTo(x, py(value)); ctx.lineTo(x + w, py(value)); ctx.stroke();
    ctx.setLineDash([]);
    if (text) { ctx.fillStyle = pal.faint; ctx.textAlign = 'right'; ctx.textBaseline = 'middle'; ctx.fillText(text, x - 4, py(value)); }
  }
  if (from < 0 && to > 0) { ctx.strokeStyle = pal.line; ctx.beginPath(); ctx.moveTo(px(0), y); ctx.lineTo(px(0), y + h); ctx.stroke(); }
  ctx.save();
  ctx.beginPath(); ctx.rect(x, y - 3, w + 1, h + 6); ctx.clip();
  plot.panels.forEach((panel, k) => drawLine(ctx, panel, plot.column, px, py, from, w, pal.panels[k], k));
  ctx.restore();
  if (plot.days) {
    ctx.fillStyle = pal.faint; ctx.textAlign = 'center'; ctx.textBaseline = 'top';
    const ticks = dayTicks(from, to).filter((d, k, all) => w > 160 || k === all.length - 1 || d === 0);
    ticks.forEach((d, k) => {
      const last = k === ticks.length - 1;
      ctx.textAlign = last ? 'right' : 'center';
      ctx.fillText(last ? `day ${d}` : `${d}`, last ? x + w + 6 : px(d), y + h + plot.days);
    });
  }
  return { px, py };
}

function drawLine(ctx, panel, name, px, py, from, width, colour, k) {
  const column = panel.columns.indexOf(name);
  if (column < 0) return; // this panel's circuit has no such region
  ctx.beginPath();
  let drawn = -Infinity, started = false;
  for (const row of panel.rows.concat([panel.now])) {
    if (row[0] < from) continue;
    const x = px(row[0]);
    if (started && x - drawn < 0.7 && row !== panel.now) continue; // no more points than pixels
    if (started) ctx.lineTo(x, py(row[column])); else ctx.moveTo(x, py(row[column]));
    started = true; drawn = x;
  }
  ctx.strokeStyle = colour; ctx.lineWidth = 1.9; ctx.lineJoin = 'round'; ctx.setLineDash(PANEL_DASHES[k]);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.beginPath(); ctx.arc(px(panel.now[0]), py(panel.now[column]), 2.6, 0, 7); ctx.fillStyle = colour; ctx.fill();
}

/** All curves; returns the height they need for a width. */
function drawCurves(ctx, width, height, pal, data, draw) {
  const narrow = width < 760, columns = narrow ? (width < 520 ? 3 : 5) : data.regions.length;
  const left = { x: 0, y: 0, w: narrow ? width : Math.round(width * 0.36), h: narrow ? 190 : height };
  const minis = narrow ? { x: 0, y: 200, w: width - 8 }  : { x: left.w + 24, y: 0, w: width - left.w - 36 };
  const lines = Math.ceil(data.regions.length / columns), miniH = narrow ? 84 : (height - 34) / (2 * lines);
  const needed = narrow ? 200 + 2 * lines * miniH + 34 : height;
  if (!draw) return needed;
  ctx.fillStyle = pal.back; ctx.fillRect(0, 0, width, needed);
  if (!data.panels.length) return needed;
  const window = timeWindow(data.day, data.first);
  drawRecovery(ctx, left, pal, data, window);
  let y = minis.y;
  for (const [word, name, usual] of [['serotonin', 'Serotonin', 1.6], ['bdnf', 'BDNF', 1.3]]) {
    const picks = data.regions.map(region => `${word} ${region.id}`);
    const [low, high] = extremes(data.panels, picks, window[0]), floor = word === 'bdnf' && low >= 0.5 ? 0.5 : 0;
    const range = [floor, high > usual ? Math.ceil(high * 2.1) / 2 : usual];
    heading(ctx, `${name} by region (healthy = 1)`, minis.x, y + 10, pal);
    data.regions.forEach((region, k) => {
      const w = (minis.w - 22 - (columns - 1) * 12) / columns;
      const box = { x: minis.x + 22 + (k % columns) * (w + 12), y: y + 33 + Math.floor(k / columns) * miniH, w, h: miniH - 38 };
      const last = word === 'bdnf' && k >= data.regions.length - columns;
      const step = roundStep(range[1] - floor), marks = [];
      for (let v = Math.ceil(floor / step) * step; v <= range[1]; v += step) marks.push([v, k % columns ? '' : `${+v.toFixed(3)}`]);
      if (!marks.some(([v]) => v === 1)) marks.push([1, '']);
      drawPlot(ctx, box, pal, { window, range, marks, dashed: 1, panels: data.panels, column: picks[k], days: last ? 5 : 0 });
      ctx.font = `600 10.5px ${FONT}`; ctx.fillStyle = pal.text; ctx.textAlign = 'left'; ctx.textBaseline = 'alphabetic';
      ctx.fillText(region.id, box.x, box.y - 4);
    });
    y += lines * miniH + 8;
  }
  return needed;
}

/** Lowest and highest value of some columns inside the time window. */
function extremes(panels, names, from) {
  let low = Infinity, high = -Infinity;
  for (const panel of panels) {
    const picks = names.map(name => panel.columns.indexOf(name)).filter(k => k >= 0);
    for (const row of panel.rows.concat([panel.now])) {
      if (row[0] >= from) for (const k of picks) { low = Math.min(low, row[k]); high = Math.max(high, row[k]); }
    }
  }
  return [low, high];
}

function heading(ctx, text, x, y, pal) {
  ctx.font = `600 12px ${FONT}`; ctx.fillStyle = pal.text; ctx.textAlign = 'left'; ctx.textBaseline = 'alphabetic';
  ctx.fillText(text, x, y);
}

/** Recovery over time, and below it when doses were given and stress acted. */
function drawRecovery(ctx, box, pal, data, window) {
  heading(ctx, box.w < 420 ? 'Recovery' : 'Recovery of connections', box.x, box.y + 10, pal);
  drawDoseKey(ctx, box.x + box.w, box.y + 6, pal);
  const strip = 10 * data.panels.length + 4, plot = { x: box.x + 52, y: box.y + 20, w: box.w - 76, h: box.h - 20 - strip - 24 };
  const marks = [[0, 'stuck'], [0.5, '50 %'], [1, 'healthy']];
  const [lowest, highest] = extremes(data.panels, ['recovery'], window[0]), low = Math.min(-0.15, lowest), high = Math.max(1.15, highest + 0.05);
  const { px, py } = drawPlot(ctx, plot, pal, { window, range: [low, high], marks, dashed: 0.5, panels: data.panels, column: 'recovery' });
  const ends = data.panels.map((panel, k) => ({ k, x: px(panel.now[0]), y: py(panel.now[1]) })).sort((a, b) => a.y - b.y);
  ends.forEach((end, k) => { if (k) end.y = Math.max(end.y, ends[k - 1].y + 12); }); // letters never on each other
  const over = Math.max(0, ends.length ? ends[ends.length - 1].y - (plot.y + plot.h - 5) : 0);
  for (const end of ends) {
    ctx.font = `700 11px ${FONT}`; ctx.fillStyle = pal.panels[end.k]; ctx.textAlign = 'left'; ctx.textBaseline = 'middle';
    ctx.fillText('ABC'[end.k], end.x + 6, end.y - over);
  }
  drawDoses(ctx, { x: plot.x, y: plot.y + plot.h + 6, w: plot.w }, pal, data, px, window);
  ctx.fillStyle = pal.faint; ctx.textAlign = 'center'; ctx.textBaseline = 'top'; ctx.font = `400 10.5px ${FONT}`;
  for (const d of dayTicks(...window)) ctx.fillText(d === 0 ? 'day 0' : `${d}`, px(d), plot.y + plot.h + strip + 6);
}

/** Whether it is decided that a dose of a regimen with a condition is not given. */
function isNever(day, course) {
  if (!course) return false;
  const [first, last, asked] = course, open = day > asked - 1e-3;
  return !open && (day < first - 1e-3 || day > last - 1e-3);
}

/** What the marks under the recovery curve mean, ending at x. */
function drawDoseKey(ctx, x, y, pal) {
  ctx.font = `400 10.5px ${FONT}`; ctx.textBaseline = 'middle'; ctx.textAlign = 'left';
  for (const [text, mark] of [['stress', 'stress'], ['to come', 'pale'], ['by hand', 'hand'], ['dose', 'dose']]) {
    x -= ctx.measureText(text).width;
    ctx.fillStyle = pal.faint; ctx.fillText(text, x, y);
    x -= 10;
    ctx.fillStyle = mark === 'stress' ? pal.amber : pal.text; ctx.globalAlpha = { stress: 0.45, pale: 0.28 }[mark] || 1;
    if (mark === 'stress') ctx.fillRect(x - 6, y - 4, 12, 8);
    else if (mark === 'hand') { ctx.beginPath(); ctx.moveTo(x + 1, y - 6); ctx.lineTo(x + 5.5, y); ctx.lineTo(x + 1, y + 6); ctx.lineTo(x - 3.5, y); ctx.fill(); }
    else ctx.fillRect(x + 2, y - 4, 1.6, 8);
    ctx.globalAlpha = 1;
    x -= 12;
  }
}

function drawDoses(ctx, box, pal, data, px, [from, to]) {
  data.plans.forEach((plan, k) => {
    const y = box.y + 10 * k, inside = d => Math.max(box.x, Math.min(box.x + box.w, px(d)));
    ctx.font = `600 9px ${FONT}`; ctx.fillStyle = pal.panels[k]; ctx.textAlign = 'right'; ctx.textBaseline = 'middle';
    ctx.fillText(`${plan.letter} doses`, box.x - 4, y + 4);
    ctx.fillStyle = pal.disc; ctx.fillRect(box.x, y, box.w, 8);
    ctx.fillStyle = pal.amber; ctx.globalAlpha = 0.45;
    for (const [a, b] of data.panels[k].stressed) { // so far: nobody knows what life will bring
      const end = Math.min(b, data.day);
      if (end > from && a < end) ctx.fillRect(inside(a), y, Math.max(1, inside(end) - inside(a)), 8);
    }
    ctx.globalAlpha = 1;
    const hand = new Set(plan.hand.map(([day, drug]) => `${day.toFixed(2)} ${drug}`));
    const courses = new Map(data.panels[k].courses.map(([number, ...days]) => [number, days]));
    for (const [day, drug, number] of plan.doses) {
      if (day < from || day > to || isNever(day, courses.get(number))) continue;
      const x = px(day), given = day <= data.day + 1e-6;
      ctx.globalAlpha = given ? 1 : 0.28; ctx.fillStyle = pal.panels[k];
      if (hand.has(`${day.toFixed(2)} ${drug}`)) { ctx.beginPath(); ctx.moveTo(x, y - 2); ctx.lineTo(x + 4.5, y + 4); ctx.lineTo(x, y + 10); ctx.lineTo(x - 4.5, y + 4); ctx.fill(); }
      else ctx.fillRect(x - 0.8, y, 1.6, 8);
    }
    ctx.globalAlpha = 1;
  });
}
