/* What if: sliders for dose, length of treatment and stress; the mean-field of one copy answers at once. */

const whatIf = { key: '', place: null, usual: null, now: null, asked: false };
const WHAT_SLIDERS = ['dose', 'days', 'stress', 'before'];

/** The mean-field of a copy; circuit and noise may be those of the first copy. */
function meanFieldOf(place) { return { ...player.show.meanFields[0], ...player.show.meanFields[place] }; }

/** Days of treatment and of stress before day 0, as the treatment says. */
function asWritten({ phases, day0, regimens }) {
  const start = phases.map((_, k) => phases.slice(0, k).reduce((sum, phase) => sum + phase.hours, 0));
  const ends = regimens.filter(({ phase }) => phase >= day0).map(({ phase, doses, every, single }) => start[phase] - start[day0] + doses[doses.length - 1][0] + (single ? 1 : every));
  const before = phases.slice(0, day0).filter(phase => phase.stress);
  return { treated: ends.length ? Math.ceil(Math.max(...ends) / DAY_H) : null, before: before.length === 1 ? before[0].hours / DAY_H : null };
}

/** Offer the copies of the plan; the sliders return to what the treatment says when it changes. */
function showWhatIf() {
  if (!$('what-if').open || !player.show) return;
  const panels = player.show.panels, key = panels.map(panel => panel.key).join();
  if (key === whatIf.key) { drawWhatIf(); return; }
  $('what-copy').replaceChildren(...panels.map(({ letter, title }, k) => new Option(`${letter}  ${title}`, k)));
  const withDrug = Math.max(0, player.show.meanFields.findIndex(({ regimens, day0 }) => regimens.some(regimen => regimen.phase >= day0)));
  Object.assign(whatIf, { key, place: Math.min(whatIf.place ?? withDrug, panels.length - 1) });
  resetWhatIf();
}

function resetWhatIf() {
  const given = meanFieldOf(whatIf.place), { treated, before } = asWritten(given);
  $('what-copy').value = whatIf.place;
  $('what-days').max = player.show.last;
  Object.entries({ dose: 1, days: treated ?? 0, stress: 0, before: before ?? 0 }).forEach(([name, value]) => { $(`what-${name}`).value = value; });
  for (const [name, hidden] of [['dose', treated === null], ['days', treated === null], ['before', before === null]]) $(`what-${name}`).parentElement.hidden = hidden;
  Object.assign(whatIf, { given, treated, before, usual: meanFieldRun(given, player.show.last) });
  answerWhatIf();
}

/** Compute before the next frame; while the slider moves on, only its last place counts. */
function askWhatIf() {
  if (whatIf.asked) return;
  whatIf.asked = true;
  requestAnimationFrame(() => { whatIf.asked = false; answerWhatIf(); });
}

function answerWhatIf() {
  const [dose, days, stress, before] = WHAT_SLIDERS.map(name => +$(`what-${name}`).value), { given, treated } = whatIf;
  const [, amount, unit] = /^([\d.]+) (.*)/.exec(player.show.panels[whatIf.place].dose || player.show.panels[whatIf.place].usual) || [];
  const texts = { dose: amount ? `${+(amount * dose).toPrecision(3)} ${unit}` : `${dose} × as written`, days: `${days} days`, stress: percent(stress), before: `${before} days` };
  for (const name of WHAT_SLIDERS) { setText($(`what-${name}-text`), texts[name]); $(`what-${name}`).setAttribute('aria-valuetext', texts[name]); }
  const settings = { dose, treatedDays: days === treated ? null : days, stress, stressDays: before === whatIf.before ? null : before };
  try {
    whatIf.now = meanFieldRun(given, player.show.last, settings);
    setText($('what-says'), whatIfSentence());
  } catch (fault) { setText($('what-says'), `The model cannot go on: ${fault.message}.`); }
  drawWhatIf();
}

function whatIfSentence() {
  const day = Math.min(84, player.show.last), at = run => run.recovery[run.days.findIndex(one => one >= day - 1e-6)], { now, usual } = whatIf;
  const { name, limit, weaker } = current()[whatIf.place].recording.header.readout;
  if (weaker ? now.stuckAt > limit : now.stuckAt < limit) return `After these days of stress ${name} is ${percent(now.stuckAt)} of health: this patient does not get stuck.`;
  return `Recovery on day ${day}: ${percent(at(now))}. As the treatment says: ${percent(at(usual))}.`;
}

/** A run in the form of a recording with one column. */
function asRecording({ days, recovery }) {
  const values = days.map((day, k) => [day, recovery[k]]);
  return Object.assign(Object.create(Recording.prototype), { days, values, position: { recovery: 1 }, now: values[values.length - 1] });
}

function drawWhatIf() {
  const canvas = $('what-curve'), ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight, pal = colours();
  if (!width || !whatIf.now) return;
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  const ctx = canvas.getContext('2d'), of = run => ({ window: [-0.05 * player.show.last, player.show.last], panels: [{ recording: asRecording(run), place: whatIf.place }] });
  const marks = [[0, 'stuck'], [0.5, '50 %'], [1, 'healthy']], plot = { column: 'recovery', range: [-0.2, 1.3], marks, dashed: 0.5, x: 52, y: 8, w: width - 76, h: height - 28, days: true };
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.fillStyle = pal.back; ctx.fillRect(0, 0, width + 1, height + 1);
  drawAxes(ctx, plot, pal, of(whatIf.now));
  ctx.globalAlpha = 0.35; drawLines(ctx, plot, pal, of(whatIf.usual), Infinity); ctx.globalAlpha = 1;
  drawLines(ctx, plot, pal, of(whatIf.now), Infinity);
}

function connectWhatIf() {
  for (const name of WHAT_SLIDERS) $(`what-${name}`).addEventListener('input', askWhatIf);
  $('what-copy').addEventListener('change', event => { whatIf.place = +event.target.value; resetWhatIf(); });
  $('what-back').addEventListener('click', resetWhatIf);
  $('what-if').addEventListener('toggle', showWhatIf);
  $('what-if').querySelector('form').addEventListener('submit', event => event.preventDefault());
}
