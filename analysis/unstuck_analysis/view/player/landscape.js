/* The landscape next to a story: connectivity over scar. The line is where connectivity comes to rest at each scar
   (as `unstuck landscape` measures it, here computed point by point); the curve is the way of the first copy. */

const LANDSCAPE_SCARS = 11, REST_DAYS = 800, HELD_H = 1e9;
const landscape = { key: '', line: [] };

/** Connectivity at rest with the scar held fixed: no growth, and no decay. */
function connectivityAtRest(given, scar) {
  const { rules, start, variables } = given.circuit, held = { ...rules, scar: { ...rules.scar, kM: 0, tauM: HELD_H } };
  const circuit = new MeanField({ ...given.circuit, rules: held }, 1e-3), place = variables.indexOf('scar'), end = REST_DAYS * DAY_H;
  circuit.y.fill(scar, start[place], start[place + 1]);
  const { regions } = given.circuit, nothing = new exposure.PatientExposure(regions, [], [], np.zeros([1, regions.length]), end);
  circuit.go(nothing, 0, [end], () => {});
  return circuit.connectivity();
}

/** Show the landscape of the first copy, or hide it; a new line appears point by point, one per frame. */
function showLandscape(on) {
  $('landscape').hidden = !on;
  if (!on || landscape.key === player.show.query) return;
  Object.assign(landscape, { key: player.show.query, line: [] });
  const { key } = landscape, given = meanFieldOf(0), next = () => {
    if (landscape.key !== key) return;
    const scar = landscape.line.length / (LANDSCAPE_SCARS - 1);
    landscape.line.push([scar, connectivityAtRest(given, scar)]);
    wake();
    if (landscape.line.length < LANDSCAPE_SCARS) setTimeout(next, 30);
  };
  setTimeout(next, 30);
}

/** Paint line, way and present. */
function paintLandscape() {
  const canvas = $('landscape-picture'), panel = current().find(ready);
  if ($('landscape').hidden || !panel || !canvas.clientWidth) return;
  const { recording, place } = panel, ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight, pal = colours(), ctx = canvas.getContext('2d');
  const box = { x: 52, y: 28, w: width - 76, h: height - 72 }, px = scar => box.x + scar * box.w, py = c => box.y + (1.1 - c) / 0.8 * box.h;
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.fillStyle = pal.back; ctx.fillRect(0, 0, width + 1, height + 1);
  heading(ctx, 'Connectivity over scar (lasting repression of BDNF)', 0, 12, pal);
  const text = (words, x, y, align, colour = pal.faint) => { ctx.font = SMALL; ctx.fillStyle = colour; ctx.textAlign = align; ctx.textBaseline = 'middle'; ctx.fillText(words, x, y); };
  const trace = (points, colour, thick, dash) => {
    ctx.beginPath(); points.forEach(([scar, c], k) => k ? ctx.lineTo(px(scar), py(c)) : ctx.moveTo(px(scar), py(c)));
    ctx.strokeStyle = colour; ctx.lineWidth = thick; ctx.setLineDash(dash); ctx.stroke(); ctx.setLineDash([]);
  };
  for (const c of [0.4, 0.6, 0.8, 1]) { trace([[0, c], [1, c]], pal.line, 1, []); text(percent(c), box.x - 4, py(c), 'right'); }
  for (const scar of [0, 0.5, 1]) text(percent(scar), px(scar), box.y + box.h + 10, 'center');
  text('scar', px(0.75), box.y + box.h + 10, 'center');
  trace(landscape.line, pal.pipe, 1.5, [4, 3]);
  text('dashed: where connectivity comes to rest at each scar', box.x, height - 12, 'left');
  const [c, scar] = ['connectivity', 'scar'].map(name => recording.position[name]), now = [recording.get('scar'), recording.get('connectivity')];
  trace([...recording.values.slice(0, recording.frameAt(player.day) + 1).map(row => [row[scar], row[c]]), now], pal.panels[place], 2, []);
  ctx.beginPath(); ctx.arc(px(now[0]), py(now[1]), 6, 0, 7); ctx.fillStyle = pal.accent; ctx.fill();
  canvas.setAttribute('aria-label', `Connectivity ${percent(now[1])}, scar ${percent(now[0])}. The line of rest decreases from full connectivity without a scar to less than half with a full one.`);
}
