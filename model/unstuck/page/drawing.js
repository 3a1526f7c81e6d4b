/* Drawing on canvas: a panel's circuit, the key, the curves. Plain functions; sizes in CSS pixels. */

const QUIET = 0.4, BUSY = 1.6; // activities (healthy = 1) at the two ends of the colour scale
const LEVELS = 64;
const PANEL_DASHES = [[], [7, 3], [2, 2.5]];

function palette(dark) {
  return dark
    ? { dark, back: '#12181f', disc: '#1d2731', text: '#e6ebf0', faint: '#93a1ad', line: '#33414d', brain: '#18212a',
        pipe: '#53636f', loop: '#8fe0d6', control: '#c0588c', amber: '#f2b84b',
        scale: [[66, 140, 220], [206, 201, 186], [255, 112, 51]], panels: ['#c3ced6', '#b99af8', '#55cfa8'] }
    : { dark, back: '#ffffff', disc: '#f1f4f6', text: '#1d2831', faint: '#5b6a76', line: '#d5dce1', brain: '#f7f9fa',
        pipe: '#a9b6bf', loop: '#1d4f4b', control: '#cf6fa1', amber: '#b36b00',
        scale: [[33, 102, 188], [150, 146, 134], [214, 72, 10]], panels: ['#3f4d57', '#7c4fc9', '#0d8a66'] };
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
  placeNames(regions);
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
  const bands = circuit.bands.map(band => bandPath(regions[band.from], regions[band.to], band));
  return { width: canvasWidth, height, regions, dots, cells, regionOf, total, bands, thick: Math.max(7, Math.min(15, scale * 0.047)),
           size: Math.max(2, Math.min(8, spacing * 0.95)) };
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

/** Names go above or below their region, whichever is farther from the others. */
function placeNames(regions) {
  for (const region of regions) {
    const room = y => Math.min(...regions.filter(o => o !== region).map(o => Math.hypot(o.x - region.x, o.y - y) - o.r));
    const above = region.y - region.r - 8, below = region.y + region.r + 16;
    region.nameY = room(above) >= room(below) ? above : below;
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

/** What lies under a point: a neuron, a band, or nothing. */
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
  return band >= 0 ? { band } : null;
}

/** One panel: brain, pipes of healthy width filled to their present strength, neurons, names. */
function drawCircuit(ctx, layout, pal, view) {
  const { width, height } = layout;
  ctx.fillStyle = pal.back;
  ctx.fillRect(0, 0, width, height);
  drawBrain(ctx, width, height, pal);
  layout.bands.forEach((band, k) => drawBand(ctx, band, layout.thick, view.strengths[k], pal, view.band === k));
  for (const region of layout.regions) {
    ctx.beginPath();
    ctx.arc(region.x, region.y, region.r + 2, 0, 7);
    ctx.fillStyle = pal.disc;
    ctx.fill();
  }
  if (view.activity) drawNeurons(ctx, layout, pal, view);
  drawNames(ctx, layout, pal, view);
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

/** The opaque pixels of a neuron's mark: triangle (principal), disc (interneuron), diamond (serotonergic). */
function stampOf(cells, size) {
  const side = Math.ceil(size) + 2, c = side / 2, r = size / 2;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = side;
  const ctx = canvas.getContext('2d', { willReadFrequently: true });
  ctx.beginPath();
  if (cells === 0) { ctx.moveTo(c, c - r * 1.1); ctx.lineTo(c + r, c + r * 0.8); ctx.lineTo(c - r, c + r * 0.8); }
  else if (cells === 1) ctx.arc(c, c, r * 0.8, 0, 7);
  else { ctx.moveTo(c, c - r * 1.2); ctx.lineTo(c + r * 1.2, c); ctx.lineTo(c, c + r * 1.2); ctx.lineTo(c - r * 1.2, c); }
  ctx.closePath();
  ctx.fill();
  const alpha = ctx.getImageData(0, 0, side, side).data, pixels = [];
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
    const a = alpha[4 * (y * side + x) + 3];
    if (a > 20) pixels.push(x - (side >> 1), y - (side >> 1), a);
  }
  return pixels;
}

/** All neurons, written pixel by pixel into one image: thousands of canvas calls would be too slow. */
function drawNeurons(ctx, layout, pal, view) {
  const ratio = view.ratio, w = Math.round(layout.width * ratio), h = Math.round(layout.height * ratio);
  if (!layout.image || layout.image.width !== w || layout.dark !== pal.dark) {
    layout.dark = pal.dark;
    layout.sheet = document.createElement('canvas');
    layout.sheet.width = w; layout.sheet.height = h;
    layout.image = layout.sheet.getContext('2d').createImageData(w, h);
    layout.pixels = new Uint32Array(layout.image.data.buffer);
    layout.stamps = [0, 1, 2].map(cells => stampOf(cells, layout.size * ratio));
    layout.colours = Array.from({ length: LEVELS }, (_, k) => {
      const [r, g, b] = activityColour(pal, QUIET + (BUSY - QUIET) * k / (LEVELS - 1));
      return (b << 16) | (g << 8) | r;
    });
  }
  const { pixels, stamps, colours, dots, cells } = layout;
  pixels.fill(0);
  for (let n = 0; n < layout.total; n++) {
    const t = (view.activity[n] / 100 - QUIET) / (BUSY - QUIET);
    const colour = colours[Math.max(0, Math.min(LEVELS - 1, Math.round(t * (LEVELS - 1))))];
    const x0 = Math.round(dots[2 * n] * ratio), y0 = Math.round(dots[2 * n + 1] * ratio), stamp = stamps[cells[n]];
    for (let k = 0; k < stamp.length; k += 3) {
      const x = x0 + stamp[k], y = y0 + stamp[k + 1];
      if (x >= 0 && y >= 0 && x < w && y < h) pixels[y * w + x] = colour | (stamp[k + 2] << 24);
    }
  }
  layout.sheet.getContext('2d').putImageData(layout.image, 0, 0);
  ctx.drawImage(layout.sheet, 0, 0, layout.width, layout.height);
  if (view.neuron !== null && view.neuron < layout.total) {
    ctx.beginPath();
    ctx.arc(dots[2 * view.neuron], dots[2 * view.neuron + 1], layout.size * 0.5 + 4, 0, 7);
    ctx.lineWidth = 2; ctx.strokeStyle = pal.text; ctx.stroke();
  }
}

function drawNames(ctx, layout, pal, view) {
  ctx.textAlign = 'center';
  ctx.textBaseline = 'alphabetic';
  for (const region of layout.regions) {
    const mean = view.activity ? meanActivity(view.activity, region) : 1;
    halo(ctx, region.id, region.x, region.nameY, `600 12px ${FONT}`, pal.text, pal.brain, `${Math.round(100 * mean)} %`, pal.faint);
  }
}

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** A name and a number beside it, readable over anything. */
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

function meanActivity(activity, region) {
  const principal = region.members[0];
  let sum = 0;
  for (let n = principal.first; n < principal.first + principal.count; n++) sum += activity[n];
  return sum / principal.count / 100;
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
  [['principal', 0], ['interneuron', 1], ['serotonergic', 2]].forEach(([text, cells]) => item(wide(text) + 14, (x, y) => {
    ctx.fillStyle = pal.text; ctx.beginPath();
    if (cells === 0) { ctx.moveTo(x + 5, y - 5); ctx.lineTo(x + 10, y + 4); ctx.lineTo(x, y + 4); }
    else if (cells === 1) ctx.arc(x + 5, y, 4, 0, 7);
    else { ctx.moveTo(x + 5, y - 5.5); ctx.lineTo(x + 10.5, y); ctx.lineTo(x + 5, y + 5.5); ctx.lineTo(x - 0.5, y); }
    ctx.fill(); label(text, x + 14, y);
  }));
  [['connection, 100 % = healthy', 1, pal.loop], ['50 %', 0.5, pal.loop], ['onto interneurons (control)', 1, pal.control]].forEach(([text, strength, colour]) =>
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
