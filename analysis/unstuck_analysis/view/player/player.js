/* The player: one day is shown, time runs or is dragged, and every copy is painted from its recording. */

const $ = id => document.getElementById(id);
const SETUP = JSON.parse($('setup').textContent);
const SPEEDS = [1, 3, 6, 12, 24, 48, 96, 168]; // hours per second
const calm = window.matchMedia('(prefers-reduced-motion: reduce)');

const player = {
  show: null, recordings: new Map(), progress: new Map(), views: [], day: 0, seen: 0, playing: false, speed: 24, rate: 1, end: 0,
  onEnd: null, opening: null, whole: false, dark: false, picked: null, pointAt: null, before: 0, frames: 0, painted: 0, asked: false,
};

const percent = value => Number.isFinite(value) ? `${Math.round(100 * value)} %`.replace('-', '−') : '–';
const colours = () => palette(player.dark);
const current = () => (player.show ? player.show.panels : []).map((panel, place) => ({ ...panel, place, recording: player.recordings.get(panel.key) }));
const ready = panel => panel.recording && panel.recording.days.length > 0;
const remembered = name => { try { return localStorage.getItem(name); } catch { return null; } };
const remember = (name, value) => { try { localStorage.setItem(name, value); } catch { /* a private window */ } };
const setText = (element, text) => { if (element.textContent !== text) element.textContent = text; };

function clockText(day) {
  const hours = Math.round(day * 2400) / 100, whole = Math.floor(hours / 24);
  return `day ${String(whole).replace('-', '−')}, ${String(Math.floor(hours - 24 * whole)).padStart(2, '0')}:00`;
}

/** Last day that can be shown; a copy that failed keeps its last moment and does not hold up the others. */
function computedUntil() {
  return Math.min(player.show.last, ...current().map(panel => !ready(panel) ? -Infinity : panel.recording.done ? Infinity : panel.recording.lastDay));
}

/** Ask for one painting before the next frame of the screen. */
function wake() {
  if (player.asked) return;
  player.asked = true;
  requestAnimationFrame(now => { player.asked = false; tick(now); });
}

function tick(now) {
  const elapsed = Math.min(0.25, (now - player.before) / 1000); // a stall is not made up for by a leap
  player.before = now;
  if (player.playing) runOn(elapsed);
  paint(now);
  if (player.playing) wake();
}

/** Let time run by some seconds of the clock, as far as all copies are recorded. */
function runOn(elapsed) {
  const from = player.day, until = computedUntil();
  let next = Math.min(from + player.rate * elapsed, player.end, Math.max(until, from));
  if (from < 0 && next > 0) next = 0; // day 0 is always shown
  player.day = next;
  announceChanges();
  if (next >= player.end - 1e-9) { play(false); if (player.onEnd) player.onEnd(); }
}

function play(on, { rate = player.speed / 24, end = player.show.last, onEnd = null } = {}) {
  if (on && player.day >= end - 1e-9) player.day = Math.min(0, end); // from day 0 again
  Object.assign(player, { playing: on, before: performance.now() });
  if (on) Object.assign(player, { rate, end, onEnd });
  $('app').dataset.playing = on;
  $('play').setAttribute('aria-pressed', on);
  setText($('play'), on ? '❚❚ Pause' : '▶ Play');
  if (!on) announce(summary());
  wake();
}

/** Stop, and show a day. */
function goTo(day) {
  if (player.playing) play(false);
  player.day = Math.max(player.show.first, Math.min(player.show.last, day));
  if (player.day < 0) player.whole = true;
  wake();
}

/** Go to a day and choose whether the axis shows the time before day 0. */
function jump(day, whole) {
  if (player.whole !== whole) { player.whole = whole; stale(); }
  goTo(day);
  announce(summary());
}

function setSpeed(place) {
  const k = Math.max(0, Math.min(SPEEDS.length - 1, place)), h = SPEEDS[k];
  Object.assign(player, { speed: h, rate: player.onEnd ? player.rate : h / 24 });
  const text = (h >= 168 ? '1 week' : h >= 24 ? `${h / 24} day${h > 24 ? 's' : ''}` : `${h} hour${h > 1 ? 's' : ''}`) + ' per second';
  $('speed').value = k;
  $('speed').setAttribute('aria-valuetext', text);
  setText($('speed-text'), text);
}

/** Time axis of all curves. */
function axis() {
  const { first, last } = player.show;
  return [player.whole ? first : -0.05 * last, last];
}

function stale() { recoverySheet.stale = smallSheet.stale = true; showWhatIf(); wake(); }

const recoverySheet = new Sheet($('recovery'), recoveryPlots), smallSheet = new Sheet($('small'), smallPlots);

/** Everything that the curves are drawn from. */
function curveData() {
  const panels = current().filter(ready);
  const all = panels.flatMap(panel => panel.recording.header.regions);
  const regions = all.filter((region, k) => all.findIndex(other => other.id === region.id) === k);
  return { panels, regions, window: axis(), day: player.day, seen: player.seen, pointAt: player.pointAt && player.pointAt.name };
}

function paint(now) {
  if (!player.show) return;
  const root = $('app'), panels = current(), all = panels.every(ready);
  player.seen = Math.max(player.seen, player.day);
  player.views.forEach((view, k) => view.paint(panels[k], now));
  const data = curveData();
  paintLandscape();
  if (data.panels.length) {
    recoverySheet.paint(colours(), data);
    smallSheet.paint(colours(), data);
    placeScrubber(recoverySheet.plots[0], data.window);
  }
  setText($('clock'), clockText(player.day));
  Object.assign(root.dataset, { ready: all ? 1 : 0, day: player.day, until: all ? computedUntil() : '', frames: ++player.frames });
}

/** Keep the scrubber exactly below the time axis of the curve of recovery. */
function placeScrubber(plot, [from, to]) {
  const scrub = $('scrub'), done = (Math.min(to, computedUntil()) - from) / (to - from);
  const place = `${plot.x}px ${plot.w}px`;
  if (scrub.dataset.place !== place) {
    Object.assign(scrub.dataset, { place });
    for (const element of [scrub, $('recorded')]) { element.style.left = `${plot.x - (element === scrub ? 8 : 0)}px`; }
    scrub.style.width = `${plot.w + 16}px`;
  }
  $('recorded').style.width = `${Math.max(0, Math.min(1, done)) * plot.w}px`;
  if (scrub.min !== String(from)) scrub.min = from;
  if (scrub.max !== String(to)) scrub.max = to;
  if (document.activeElement !== scrub || Math.abs(scrub.value - player.day) > 1e-6) scrub.value = player.day;
  scrub.setAttribute('aria-valuetext', clockText(player.day));
}

/** Show a plan: new copies, titles and controls. The day stays where it is if the plan covers it. */
function setShow(show, { day = player.day } = {}) {
  player.show = show;
  for (const id of ['timeline', 'set-up']) $(id).inert = false; // there is something to play
  player.day = Math.max(show.first, Math.min(show.last, day));
  player.seen = Math.max(0, player.day);
  if (player.playing && !player.onEnd) player.end = show.last;
  const host = $('panels');
  while (player.views.length > show.panels.length) player.views.pop().root.remove();
  while (player.views.length < show.panels.length) {
    const view = new PanelView(player.views.length);
    player.views.push(view);
    host.append(view.root);
  }
  const kept = new Set(show.panels.map(panel => panel.key));
  for (const key of [...player.recordings.keys()]) if (SETUP.live && !kept.has(key)) player.recordings.delete(key);
  current().forEach((panel, k) => player.views[k].update(panel));
  if (player.picked && !kept.has(player.picked.key)) pick(null);
  showHint(); stale();
}

/** Take over a recording, whole or in part. */
function addFrames(buffer) {
  const [about, offset] = splitMessage(buffer), recording = player.recordings.get(about.key);
  if (!recording) return; // of a plan that is no longer shown
  recording.add(about, buffer, offset);
  const now = performance.now();
  if (about.done || about.start === 0 || now - player.painted > 250) { player.painted = now; stale(); showHint(); paintKey(); } else wake();
}

function addHeader(message) {
  player.recordings.set(message.key, new Recording(message.key, message));
  player.progress.delete(message.key);
}

/** What is said about the patient on a first visit, and always if stress did not make the patient stuck. */
function showHint() {
  const panels = current(), known = panels.filter(panel => panel.recording), hint = $('hint').firstElementChild;
  const free = known.filter(panel => panel.recording.header.notStuck), patient = player.show.query.split('&a=')[0];
  const times = ['', '', ', two times', ', three times'][panels.length];
  const readout = known.length ? known[0].recording.header.readout : null;
  if (free.length && free.length === known.length) {
    hint.innerHTML = `<b>This patient never got stuck.</b> After the weeks of stress, ${readout.name} is ${percent(free[0].recording.header.stuckAt)} of health.
      A patient counts as stuck at ${percent(readout.limit)} or ${readout.weaker ? 'less' : 'more'}. A comparison counts such patients and leaves them out; the curve shows ${readout.name}.`;
    $('hint').hidden = player.hintClosed === patient;
  } else {
    hint.innerHTML = `<b>One stuck patient${times}.</b> Every mark is a neuron, every band a connection between regions; the outline is its healthy width.
      ${!readout || readout.weaker ? 'Weeks of stress have thinned the bands, so the regions hardly drive each other. Press Play and watch which treatment widens them again.'
        : `Weeks of stress have widened some bands and thinned others, so ${readout.name} is too strong. Press Play and watch which treatment brings it back.`}`;
    $('hint').hidden = !!remembered('unstuck.seen') || !known.length || !!player.story;
  }
}

function closeHint() {
  player.hintClosed = player.show.query.split('&a=')[0];
  remember('unstuck.seen', '1');
  $('hint').hidden = true;
}

function paintKey() {
  const canvas = $('key'), width = canvas.clientWidth, ratio = window.devicePixelRatio || 1, { regions } = curveData();
  if (!width) return;
  const height = drawKey(canvas.getContext('2d'), width, colours(), regions, false);
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); canvas.style.height = `${height}px`;
  const ctx = canvas.getContext('2d');
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.fillStyle = colours().back; ctx.fillRect(0, 0, width + 1, height + 1);
  drawKey(ctx, width, colours(), regions, true);
}

/** Choose a neuron, region or connection of one copy, or nothing. */
function pick(picked) {
  player.picked = picked;
  player.views.forEach((view, k) => view.showDetail(picked && picked.place === k ? picked : null));
  wake();
}

function note(text) {
  setText($('note').firstElementChild, text);
  $('note').hidden = !text;
}

function announce(text) { setText($('announce'), text); }

/** The present in one sentence, for those who listen. */
function summary() {
  const known = current().filter(ready);
  return known.length ? `${clockText(player.day)}. ${known.map(panel => `${panel.letter}: ${panel.recording.header.notStuck
    ? `${panel.recording.header.readout.name} ${percent(panel.recording.get('connectivity'))}` : `recovery ${percent(panel.recording.get('recovery'))}`}`).join(', ')}.` : '';
}

/** Announce when a copy recovers, relapses, or comes under stress. */
function announceChanges() {
  for (const panel of current().filter(ready)) {
    const { recording } = panel, now = { recovered: recording.get('recovery') >= 0.5, stressed: recording.stressedOn(player.day) };
    const was = recording.was || now;
    if (was.recovered !== now.recovered && !recording.header.notStuck) announce(`${clockText(player.day)}: copy ${panel.letter} ${now.recovered ? 'has recovered to 50 %' : 'is below 50 % again'}`);
    if (was.stressed !== now.stressed) announce(`${clockText(player.day)}: ${now.stressed ? 'stress begins' : 'stress ends'} for copy ${panel.letter}`);
    recording.was = now;
  }
}

function setTheme(dark) {
  player.dark = dark;
  document.documentElement.classList.toggle('dark', dark);
  $('theme').setAttribute('aria-label', dark ? 'Light colours' : 'Dark colours');
  setText($('theme'), dark ? '☀' : '☾');
  if (player.show) { stale(); paintKey(); }
}

function onKey(event) {
  if (event.key === 'Escape' && !document.querySelector('dialog[open]')) { $('set-up').open = false; pick(null); return; }
  const typing = event.target.closest('input:not([type=range]), select, textarea, dialog');
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !player.show) return;
  if (event.target.closest('button, summary, a') && (event.key === ' ' || event.key === 'Enter')) return;
  if (event.target.type === 'range' && event.key !== ' ') return; // sliders have their own arrow keys
  const moves = {
    ' ': () => togglePlay(), ArrowRight: () => goTo(player.day + (event.shiftKey ? 1 : 1 / 24)), ArrowLeft: () => goTo(player.day - (event.shiftKey ? 1 : 1 / 24)),
    ArrowUp: () => setSpeed(+$('speed').value + 1), ArrowDown: () => setSpeed(+$('speed').value - 1),
  };
  if (moves[event.key]) { event.preventDefault(); moves[event.key](); }
}

function togglePlay() {
  if (player.opening) player.opening.playing = !player.opening.playing; // pressed while a story is loading
  else if (player.story) resumeStory(!player.playing); else play(!player.playing);
}

/** Connect the controls that work with and without a server. */
function connectControls() {
  const on = (id, act, event = 'click') => $(id).addEventListener(event, act);
  on('play', togglePlay);
  on('step-hour', () => goTo(player.day + 1 / 24)); on('step-day', () => goTo(player.day + 1)); on('step-week', () => goTo(player.day + 7));
  on('go-healthy', () => jump(player.show.first, true)); on('go-stuck', () => jump(0, false)); on('go-12-weeks', () => jump(84, false));
  on('speed', event => setSpeed(+event.target.value), 'input');
  on('scrub', event => goTo(+event.target.value), 'input');
  on('scrub', () => announce(summary()), 'change');
  on('theme', () => { setTheme(!player.dark); remember('unstuck.theme', player.dark ? 'dark' : 'light'); });
  on('open-about', () => $('about').showModal()); on('open-stories', () => $('stories').showModal());
  $('hint').querySelector('button').addEventListener('click', closeHint);
  $('note').querySelector('button').addEventListener('click', () => note(''));
  on('save-png', savePng); on('save-svg', saveSvg); on('save-csv', saveCsv); on('save-webm', saveWebm);
  for (const dialog of document.querySelectorAll('dialog')) dialog.addEventListener('click', event => { if (event.target === dialog) dialog.close(); });
  window.addEventListener('keydown', onKey);
  // After a click with a mouse the keyboard belongs to the page again, not to the button.
  document.addEventListener('click', event => { if (event.detail > 0) { const used = event.target.closest('button, summary'); if (used && !used.closest('dialog')) used.blur(); } });
  $('speed').addEventListener('pointerup', event => event.target.blur());
  $('scrub').addEventListener('pointerup', event => event.target.blur());
  new ResizeObserver(() => { if (player.show) { stale(); paintKey(); } }).observe($('app'));
  const scheme = window.matchMedia('(prefers-color-scheme: dark)'), stored = remembered('unstuck.theme');
  scheme.addEventListener('change', () => { if (!remembered('unstuck.theme')) setTheme(scheme.matches); });
  setTheme(stored ? stored === 'dark' : scheme.matches);
  setSpeed(4);
}
