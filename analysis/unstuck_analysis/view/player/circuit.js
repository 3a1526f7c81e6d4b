/* The circuit of one copy on a canvas: layout, painting, key. Sizes are in CSS pixels. */

const QUIET = 0.4, BUSY = 1.6; // activities (healthy = 1) at the two ends of the colour scale
const NAME_WIDTH = 76, ROOM_ENOUGH = 9; // of the name of a region with its number
const PANEL_DASHES = [[], [7, 3], [2, 2.5]];

function palette(dark) {
  return dark
    ? { dark, back: '#12181f', disc: '#1d2731', text: '#e6ebf0', faint: '#9fadb8', line: '#33414d', brain: '#18212a',
        pipe: '#748693', loop: '#8fe0d6', control: '#d774a5', amber: '#f2b84b', accent: '#5cc0e0',
        scale: [[66, 140, 220], [206, 201, 186], [255, 112, 51]], panels: ['#c3ced6', '#b99af8', '#55cfa8'] }
    : { dark, back: '#ffffff', disc: '#f1f4f6', text: '#1d2831', faint: '#55636f', line: '#d5dce1', brain: '#f7f9fa',
        pipe: '#76848e', loop: '#1d4f4b', control: '#b8528a', amber: '#9a5b00', accent: '#0d6b8a',
        scale: [[33, 102, 188], [128, 124, 112], [206, 66, 8]], panels: ['#3f4d57', '#7c4fc9', '#0b7a5a'] };
}

/** Colour of an activity (healthy = 1): blue is quieter than in health, orange busier. */
function activityColour(pal, activity) {
  const t = Math.max(-1, Math.min(1, (activity - 1) / (BUSY - 1)));
  const [from, to] = [pal.scale[1], pal.scale[t < 0 ? 0 : 2]];
  return from.map((c, k) => Math.round(c + (to[k] - c) * Math.abs(t)));
}

/** Width of the brain on a canvas: a wide canvas would pull it so long that bands pass behind regions. */
function brainWidth(width, height) { return Math.min(width, 1.5 * height); }

/** Where regions and neurons of a circuit lie on a canvas: discs, dots by neuron, bands. */
function layOut(circuit, canvasWidth, height) {
  const width = brainWidth(canvasWidth, height), left = (canvasWidth - width) / 2;
  const total = circuit.populations.reduce((sum, p) => sum + p.count, 0);
  const scale = Math.min(height, width * 0.78);
  const pad = { x: 0.115 * width, top: 0.235 * height, bottom: 0.185 * height };
  const regions = circuit.regions.map((region, k) => {
    const members = circuit.populations.filter(p => p.region === k).sort((a, b) => (a.cells === 1) - (b.cells === 1));
    const count = members.reduce((sum, p) => sum + p.count, 0);
    return {
      ...region, members, count,
      x: pad.x + region.at[0] * (width - 2 * pad.x),
      y: pad.top + (1 - region.at[1]) * (height - pad.top - pad.bottom),
      r: scale * 0.27 * Math.sqrt(count / total) + 3,
    };
  });
  moveApart(regions, width, height, scale * 0.15);
  regions.forEach(region => { region.x += left; });
  const thick = Math.max(7, Math.min(15, scale * 0.047)), bands = circuit.bundles.map(band => bandPath(regions[band.from], regions[band.to], band));
  placeNames(regions, bands, canvasWidth, thick);
  const dots = new Float32Array(2 * total), cells = new Uint8Array(total), regionOf = new Uint8Array(total);
  let spacing = Infinity;
  regions.forEach((region, k) => {
    let i = 0;
    for (const population of region.members) { // principal cells first: they fill the core
      for (let n = 0; n < population.count; n++, i++) {
        const neuron = population.first + n;
        const r = (region.r - 3) * Math.sqrt((i + 0.5) / region.count), angle = i * 2.399963;
        dots[2 * neuron] = region.x + r * Math.cos(angle);
        dots[2 * neuron + 1] = region.y + r * Math.sin(angle);
        cells[neuron] = population.cells;
        regionOf[neuron] = k;
      }
    }
    spacing = Math.min(spacing, (region.r - 3) * Math.sqrt(Math.PI / region.count));
  });
  return { width: canvasWidth, height, regions, dots, cells, regionOf, total, bands, thick, size: Math.max(2, Math.min(8, spacing * 0.95)) };
}

/** Push regions apart until there is room for a band between any two, and keep them inside. */
function moveApart(regions, width, height, gap) {
  for (let round = 0; round < 80; round++) {
    for (const a of regions) for (const b of regions) {
      if (a === b) continue;
      const dx = b.x - a.x, dy = b.y - a.y, d = Math.hypot(dx, dy) || 1, lacking = a.r + b.r + gap - d;
      if (lacking <= 0) continue;
      const push = Math.min(lacking, 4) / 2 / d;
      a.x -= dx * push; a.y -= dy * push; b.x += dx * push; b.y += dy * push;
    }
    for (const region of regions) {
      region.x = Math.max(region.r + 0.03 * width, Math.min(width * 0.975 - region.r, region.x));
      region.y = Math.max(region.r + 0.13 * height, Math.min(height * 0.9 - region.r, region.y));
    }
  }
}

/** Names go above or below their region, or next to it, where they cover neither bands nor other names or regions. */
function placeNames(regions, bands, canvasWidth, thick) {
  const obstacles = bands.flatMap(band => band.points.map(([x, y]) => ({ x, y, r: thick / 2 })));
  for (const region of regions) {
    const { x, y, r } = region, beside = r + 12 + NAME_WIDTH / 2;
    const clear = ([at, base]) => at < NAME_WIDTH / 2 || at > canvasWidth - NAME_WIDTH / 2 ? -Infinity : Math.min(ROOM_ENOUGH, ...[-1, -0.5, 0, 0.5, 1].flatMap(
      side => [...obstacles, ...regions.filter(other => other !== region)].map(other => Math.hypot(other.x - at - side * NAME_WIDTH / 2, other.y - base + 4) - other.r)));
    const spots = [[x, y - r - 8], [x, y + r + 16], [x + beside, y + 4], [x - beside, y + 4]], rooms = spots.map(clear);
    [region.nameX, region.nameY] = spots[rooms.indexOf(Math.max(...rooms))];
    obstacles.push(...[-1, 0, 1].map(side => ({ x: region.nameX + side * NAME_WIDTH / 2, y: region.nameY - 4, r: 14 })));
  }
}

/** A curve from one region's edge to another's, bent to its right, so that both directions can be seen. */
function bandPath(a, b, band) {
  const dx = b.x - a.x, dy = b.y - a.y, length = Math.hypot(dx, dy) || 1;
  const bend = 0.17 * length, cx = (a.x + b.x) / 2 - dy / length * bend, cy = (a.y + b.y) / 2 + dx / length * bend;
  const edge = (from, r) => {
    const ex = cx - from.x, ey = cy - from.y, e = Math.hypot(ex, ey) || 1;
    return [from.x + ex / e * r, from.y + ey / e * r];
  };
  const [x0, y0] = edge(a, a.r + 2), [x1, y1] = edge(b, b.r + 11);
  const points = [];
  for (let k = 0; k <= 24; k++) {
    const t = k / 24, u = 1 - t;
    points.push([u * u * x0 + 2 * u * t * cx + t * t * x1, u * u * y0 + 2 * u * t * cy + t * t * y1]);
  }
  return { ...band, x0, y0, cx, cy, x1, y1, points, angle: Math.atan2(y1 - cy, x1 - cx) };
}

/** What is under a point: a neuron, a connection, a region, or nothing. */
function whatIsAt(layout, x, y) {
  let nearest = -1, distance = Math.max(layout.size * 0.75, 6) ** 2;
  for (let n = 0; n < layout.total; n++) {
    const d = (layout.dots[2 * n] - x) ** 2 + (layout.dots[2 * n + 1] - y) ** 2;
    if (d < distance) { distance = d; nearest = n; }
  }
  if (nearest >= 0) return { neuron: nearest };
  let band = -1; distance = (layout.thick * 0.75) ** 2;
  layout.bands.forEach((path, k) => path.points.forEach(([px, py]) => {
    const d = (px - x) ** 2 + (py - y) ** 2;
    if (d < distance) { distance = d; band = k; }
  }));
  if (band >= 0) return { band };
  const region = layout.regions.findIndex(one => Math.hypot(one.x - x, one.y - y) < one.r + 4 || (Math.abs(one.nameX - x) < 34 && Math.abs(one.nameY - 4 - y) < 9));
  return region >= 0 ? { region } : null;
}

/** Everything below the neurons: brain, connections, discs of the regions. */
function drawBelow(ctx, layout, pal, view) {
  ctx.fillStyle = pal.back;
  ctx.fillRect(0, 0, layout.width + 1, layout.height + 1);
  drawBrain(ctx, layout.width, layout.height, pal);
  layout.bands.forEach((band, k) => drawBand(ctx, band, layout.thick, view.strengths[k], pal, view.band === k));
  for (const [k, region] of layout.regions.entries()) {
    ctx.beginPath();
    ctx.arc(region.x, region.y, region.r + 2, 0, 7);
    ctx.fillStyle = pal.disc;
    ctx.fill();
    if (view.region === k) { ctx.lineWidth = 2.5; ctx.strokeStyle = pal.text; ctx.stroke(); }
  }
}

function drawBrain(ctx, canvasWidth, h, pal) {
  const w = brainWidth(canvasWidth, h), left = (canvasWidth - w) / 2, p = (x, y) => [left + x * w, y * h];
  ctx.beginPath();
  ctx.moveTo(...p(0.015, 0.5));
  ctx.bezierCurveTo(...p(0.0, 0.17), ...p(0.27, 0.035), ...p(0.52, 0.035));
  ctx.bezierCurveTo(...p(0.8, 0.035), ...p(0.995, 0.2), ...p(0.985, 0.5));
  ctx.bezierCurveTo(...p(0.98, 0.66), ...p(0.985, 0.75), ...p(0.965, 0.97));
  ctx.lineTo(...p(0.72, 0.97));
  ctx.bezierCurveTo(...p(0.72, 0.86), ...p(0.7, 0.83), ...p(0.63, 0.83));
  ctx.bezierCurveTo(...p(0.52, 0.83), ...p(0.46, 0.945), ...p(0.32, 0.945));
  ctx.bezierCurveTo(...p(0.14, 0.945), ...p(0.03, 0.78), ...p(0.015, 0.5));
  ctx.fillStyle = pal.brain;
  ctx.fill();
  ctx.lineWidth = 1.2;
  ctx.strokeStyle = pal.line;
  ctx.stroke();
}

function drawBand(ctx, band, thick, strength, pal, chosen) {
  const curve = () => { ctx.beginPath(); ctx.moveTo(band.x0, band.y0); ctx.quadraticCurveTo(band.cx, band.cy, band.x1, band.y1); };
  ctx.lineCap = 'butt';
  curve(); ctx.lineWidth = thick + 1.6; ctx.strokeStyle = chosen ? pal.text : pal.pipe; ctx.stroke();
  curve(); ctx.lineWidth = thick; ctx.strokeStyle = pal.back; ctx.stroke();
  const colour = band.onto === 'interneuron' ? pal.control : pal.loop;
  const now = thick * Math.max(0, strength);
  curve(); ctx.lineWidth = Math.max(0.6, now); ctx.strokeStyle = colour; ctx.stroke();
  ctx.save();
  ctx.translate(band.x1, band.y1);
  ctx.rotate(band.angle);
  ctx.fillStyle = colour;
  ctx.beginPath();
  if (band.onto === 'interneuron') {
    const half = Math.max(5, now * 0.5 + 3);
    ctx.rect(0, -half, 3.2, 2 * half);
  } else {
    const half = Math.max(4.5, now * 0.5 + 3);
    ctx.moveTo(-1, -half); ctx.lineTo(9, 0); ctx.lineTo(-1, half);
  }
  ctx.fill();
  ctx.restore();
}

/** Outline of a neuron's mark: triangle (principal), disc (interneuron), square (projects and inhibits), diamond (others). */
function markPath(ctx, cells, x, y, r) {
  ctx.beginPath();
  if (cells === 0) { ctx.moveTo(x, y - r * 1.1); ctx.lineTo(x + r, y + r * 0.8); ctx.lineTo(x - r, y + r * 0.8); }
  else if (cells === 1) ctx.arc(x, y, r * 0.8, 0, 7);
  else if (cells === 3) ctx.rect(x - r * 0.8, y - r * 0.8, r * 1.6, r * 1.6);
  else { ctx.moveTo(x, y - r * 1.2); ctx.lineTo(x + r * 1.2, y); ctx.lineTo(x, y + r * 1.2); ctx.lineTo(x - r * 1.2, y); }
  ctx.closePath();
}

/** The pixels of a neuron's mark, as x, y, opacity. */
function stampOf(cells, size) {
  const side = Math.ceil(size) + 2;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = side;
  const ctx = canvas.getContext('2d', { willReadFrequently: true });
  markPath(ctx, cells, side / 2, side / 2, size / 2);
  ctx.fill();
  const alpha = ctx.getImageData(0, 0, side, side).data, pixels = [];
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
    const a = alpha[4 * (y * side + x) + 3];
    if (a > 20) pixels.push(x - (side >> 1), y - (side >> 1), a);
  }
  return Int16Array.from(pixels);
}

/** One circuit on a canvas. What is drawn below the neurons is drawn again only when it has visibly changed. */
class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.below = document.createElement('canvas');
    this.drawnFor = null;
  }

  /** Fit canvas and layout to their size on the page. */
  fit(header) {
    const ratio = window.devicePixelRatio || 1, width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    if (this.layout && this.header === header && this.layout.width === width && this.layout.height === height && this.ratio === ratio) return;
    Object.assign(this, { header, ratio, layout: layOut(header, width, height), drawnFor: null });
    for (const canvas of [this.canvas, this.below]) { canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); }
    this.ctx = this.canvas.getContext('2d', { alpha: false, desynchronized: false });
    this.belowCtx = this.below.getContext('2d', { willReadFrequently: true });
    this.belowCtx.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.stamps = [0, 1, 2, 3, 4].map(cells => stampOf(cells, this.layout.size * ratio));
  }

  paint(pal, view) {
    if (!this.layout.width) return;
    this.paintBelow(pal, view);
    const { width: w, height: h } = this.below, { dots, cells, total } = this.layout, { ratio, stamps, pixels, colours } = this;
    pixels.set(this.ground);
    for (let n = 0; n < total; n++) {
      const colour = colours[view.activity[n]], stamp = stamps[cells[n]];
      const x0 = Math.round(dots[2 * n] * ratio), y0 = Math.round(dots[2 * n + 1] * ratio);
      for (let k = 0; k < stamp.length; k += 3) {
        const x = x0 + stamp[k], y = y0 + stamp[k + 1];
        if (x < 0 || y < 0 || x >= w || y >= h) continue;
        const at = y * w + x, alpha = stamp[k + 2];
        pixels[at] = alpha > 250 ? colour : blend(pixels[at], colour, alpha);
      }
    }
    this.ctx.setTransform(1, 0, 0, 1, 0, 0);
    this.ctx.putImageData(this.image, 0, 0);
    this.ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawAbove(this.ctx, this.layout, pal, view);
  }

  paintBelow(pal, view) {
    const drawn = this.drawnFor, width = this.layout.thick * this.ratio;
    const same = drawn && drawn.dark === pal.dark && drawn.band === view.band && drawn.region === view.region
      && drawn.strengths.every((strength, k) => Math.abs(strength - view.strengths[k]) * width < 0.3);
    if (same) return;
    drawBelow(this.belowCtx, this.layout, pal, view);
    this.image = this.belowCtx.getImageData(0, 0, this.below.width, this.below.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.ground = this.pixels.slice();
    if (!drawn || drawn.dark !== pal.dark) this.colours = activityColours(pal);
    this.drawnFor = { dark: pal.dark, band: view.band, region: view.region, strengths: Array.from(view.strengths) };
  }
}

/** Mix two opaque pixels; alpha is 0 to 255. */
function blend(under, over, alpha) {
  const rest = 255 - alpha;
  const red = ((over & 255) * alpha + (under & 255) * rest) / 255;
  const green = ((over >> 8 & 255) * alpha + (under >> 8 & 255) * rest) / 255;
  const blue = ((over >> 16 & 255) * alpha + (under >> 16 & 255) * rest) / 255;
  return 0xff000000 | blue << 16 | green << 8 | red;
}

/** The pixel of every possible byte of activity. */
function activityColours(pal) {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    const [r, g, b] = activityColour(pal, byte / 100);
    return (0xff000000 | b << 16 | g << 8 | r) >>> 0;
  });
}

/** All neurons as vector marks, for pictures that are saved. */
function drawMarks(ctx, layout, pal, activity) {
  const r = layout.size / 2;
  for (let n = 0; n < layout.total; n++) {
    const x = layout.dots[2 * n], y = layout.dots[2 * n + 1];
    ctx.fillStyle = `rgb(${activityColour(pal, activity[n] / 100)})`;
    markPath(ctx, layout.cells[n], x, y, r);
    ctx.fill();
  }
}

/** Everything above the neurons: the chosen neuron and the names of the regions. */
function drawAbove(ctx, layout, pal, view) {
  if (view.neuron !== null && view.neuron < layout.total) {
    ctx.beginPath();
    ctx.arc(layout.dots[2 * view.neuron], layout.dots[2 * view.neuron + 1], layout.size * 0.5 + 4, 0, 7);
    ctx.lineWidth = 2; ctx.strokeStyle = pal.text; ctx.stroke();
  }
  drawNames(ctx, layout, pal, view);
  if (view.pointAt) drawPointer(ctx, layout, pal, view.pointAt);
}

/** A ring around the region, or about the middle of the connection, that a story points at. */
function drawPointer(ctx, layout, pal, name) {
  const region = layout.regions.find(one => one.id === name), band = layout.bands.find(one => one.id === name);
  const [x, y, r] = region ? [region.x, region.y, region.r + 9] : band ? [...band.points[12], layout.thick + 9] : [];
  if (x === undefined) return;
  ctx.beginPath(); ctx.arc(x, y, r, 0, 7);
  ctx.lineWidth = 3.5; ctx.strokeStyle = pal.accent; ctx.stroke();
}

function drawNames(ctx, layout, pal, view) {
  ctx.textAlign = 'center';
  ctx.textBaseline = 'alphabetic';
  for (const region of layout.regions) {
    halo(ctx, region.id, region.nameX, region.nameY, `600 12px ${FONT}`, pal.text, pal.brain, percent(view.means[region.id]), pal.faint);
  }
}

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** A name and a number next to it, readable over anything. */
function halo(ctx, name, x, y, font, colour, back, more, faint) {
  ctx.font = font;
  const first = ctx.measureText(name + ' ').width;
  ctx.font = `400 11px ${FONT}`;
  const second = ctx.measureText(more).width, left = x - (first + second) / 2;
  ctx.textAlign = 'left';
  ctx.globalAlpha = 0.92; ctx.fillStyle = back; ctx.fillRect(left - 3, y - 11, first + second + 6, 15); ctx.globalAlpha = 1;
  ctx.fillStyle = faint; ctx.fillText(more, left + first, y);
  ctx.font = font;
  ctx.fillStyle = colour; ctx.fillText(name, left, y);
}

/** The key to colours, marks and widths; returns the height it needed. */
function drawKey(ctx, width, pal, regions, draw) {
  const gap = 18, line = 22;
  let x = 4, y = 14;
  const item = (needs, paint) => {
    if (x > 4 && x + needs > width) { x = 4; y += line; }
    if (draw) paint(x, y);
    x += needs + gap;
  };
  const label = (text, x, y) => { ctx.fillStyle = pal.faint; ctx.textAlign = 'left'; ctx.textBaseline = 'middle'; ctx.fillText(text, x, y); };
  const wide = text => { ctx.font = `400 11px ${FONT}`; return ctx.measureText(text).width; };
  const texts = ['neuron: 40 %', 'of its healthy rate', '160 %'];
  item(wide(texts[0]) + wide(texts[1]) + wide(texts[2]) + 84, (x, y) => {
    label(texts[0], x, y); x += wide(texts[0]) + 5;
    for (let k = 0; k < 60; k++) { ctx.fillStyle = `rgb(${activityColour(pal, QUIET + (BUSY - QUIET) * k / 59)})`; ctx.fillRect(x + k, y - 5, 1.5, 10); }
    label(texts[2], x + 66, y); label(texts[1], x + 66 + wide(texts[2]) + 5, y);
  });
  [['principal', 0], ['interneuron', 1], ['serotonergic', 2], ...(regions.some(region => region.inhibits) ? [['projects and inhibits', 3]] : [])].forEach(([text, cells]) => item(wide(text) + 14, (x, y) => {
    ctx.fillStyle = pal.text; markPath(ctx, cells, x + 5, y, 5); ctx.fill(); label(text, x + 14, y);
  }));
  [['connection, 100 % = healthy', 1, pal.loop], ['50 %', 0.5, pal.loop], ['onto interneurons (inhibition)', 1, pal.control]].forEach(([text, strength, colour]) =>
    item(wide(text) + 44, (x, y) => {
      ctx.fillStyle = pal.pipe; ctx.fillRect(x, y - 6, 30, 12);
      ctx.fillStyle = pal.back; ctx.fillRect(x, y - 5.2, 30, 10.4);
      ctx.fillStyle = colour; ctx.fillRect(x, y - 5.2 * strength, 30, 10.4 * strength);
      if (colour === pal.control) ctx.fillRect(x + 30, y - 8, 3.2, 16);
      else { ctx.beginPath(); ctx.moveTo(x + 29, y - 5.2 * strength - 3); ctx.lineTo(x + 38, y); ctx.lineTo(x + 29, y + 5.2 * strength + 3); ctx.fill(); }
      label(text, x + 42, y);
    }));
  regions.forEach(region => item(wide(`${region.id} ${region.name}`) + 4, (x, y) => {
    label(`${region.id} ${region.name}`, x, y);
    ctx.fillStyle = pal.text; ctx.fillText(region.id, x, y);
  }));
  return y + 10;
}
