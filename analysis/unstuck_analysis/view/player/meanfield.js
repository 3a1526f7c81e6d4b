/* The mean-field of one patient, computed in this page: one average neuron per population. All rules are in `model`,
   translated from Python; this file follows their state through time, and what acts on it. Times are hours. */

const MOST_SWEEPS = 60, LARGEST_MOVE = 0.5, DAMPINGS = [[0.5, 5000], [0.1, 10000], [0.02, 20000]]; // as in unstuck/engine/settle.py
const MOST_STEPS = 20000, DAY_H = 24, MOST_REMEMBERED = 20000;

/** Lists of what has the same key, in the order in which the keys come. */
function grouped(list, keyOf) {
  const groups = new Map();
  for (const one of list) groups.set(keyOf(one), [...(groups.get(keyOf(one)) || []), one]);
  return groups;
}

const ascending = numbers => [...new Set(numbers)].sort((a, b) => a - b);

/** The matrix of some compartments (unstuck.drugs.kinetics), which Python has worked out. */
function _shifted_matrix(compartments) { return [compartments.shifted, compartments.fastest_per_h]; }

const leftBehind = new WeakMap(); // of each matrix: what a time leaves of one unit in each compartment

/** `model.move_on`; what a time does that comes again and again, as between regular doses, is kept. */
function move_on(shifted, fastest_per_h, now, elapsed_h, out) {
  if (!leftBehind.has(shifted)) leftBehind.set(shifted, new Map());
  const times = leftBehind.get(shifted), time = Math.round(elapsed_h * 1e9);
  if (!times.has(time)) {
    if (times.size > MOST_REMEMBERED) times.clear();
    times.set(time, null);
    model.move_on(shifted, fastest_per_h, now, elapsed_h, out);
    return;
  }
  if (!times.get(time)) times.set(time, Array.from(now, (_, k) => { const unit = Float64Array.from(now, (_, i) => +(i === k)); model.move_on(shifted, fastest_per_h, unit, elapsed_h, out); return out.slice(); }));
  const left = times.get(time);
  out.fill(0);
  for (let k = 0; k < now.length; k++) for (let i = 0; i < now.length; i++) out[i] += left[k][i] * now[k];
}

/** What Python wrote of a contribution after one dose, for the doses of a course. */
function forDoses(given, course) {
  if (Array.isArray(given) || typeof given !== 'object' || given === null) return given;
  const { class: name, ...parts } = given;
  if (name === 'Amounts') {
    const compartments = parts.enters.slice(1).map(enters => ({ fed_by: enters ? null : 0 }));
    return new exposure.Amounts(Object.assign(compartments, parts), course.doses);
  }
  if (name === 'WhileTaken') return new exposure.WhileTaken(parts.usual, parts.is_share, course._counting, parts.rise_tau_h, parts.fall_half_life_h);
  const made = Object.create(exposure[name].prototype);
  for (const [key, part] of Object.entries(parts)) made[key] = forDoses(part, course);
  if ('edges_h' in parts) Object.assign(made, { edges_h: course._ends_of_doses(), averaged_h: course._averaged_h });
  if ('first_h' in parts) made.first_h = course.doses[0].time_h;
  return made;
}

/** What acts at an hour: share of the time, effects and inputs at the two ends of the swing of frequent doses. */
function actingAt(exposed, hour) {
  const swing = exposed.swing(hour), one = ([effects, input], share) => ({ effects, input, share });
  return swing ? [one(swing[1], swing[0]), one(swing[2], 1 - swing[0])] : [one(exposed.at(hour), 1)];
}

/** The circuit in time: slow variables y move by an explicit Runge-Kutta method; firing has always settled. */
class MeanField {
  constructor(circuit, tolerance) {
    Object.assign(this, { ...circuit, tolerance, settled: tolerance / 10, step: 1 });
    const neurons = this.wiring.bias.length, populations = this.wiring.populations.cells.length, size = this.healthy.length, floats = n => new Float64Array(n);
    this.y = Float64Array.from(this.healthy);
    this.end = this.vector(size);
    this.stages = STAGES.map(() => this.vector(size));
    this.rate = this.vector(size);
    this.firing = [0, 1].map(() => ({ x: floats(neurons).fill(1), monoamine_nM: floats(this.wiring.feeder.length), inverse: null }));
    this.around = { gain: floats(populations), input_drive: floats(populations), inhibition: floats(populations), strength: floats(this.readout.length) };
    this.here = Array.from({ length: populations }, () => floats(5));
    Object.assign(this, { driven: floats(neurons), residual: floats(neurons), nearby: floats(neurons), spare: floats(this.wiring.feeder.length) });
  }

  /** A vector of slow variables, and its parts by name. */
  vector(size) {
    const all = new Float64Array(size);
    return { all, parts: Object.fromEntries(this.variables.map((name, k) => [name, all.subarray(this.start[k], this.start[k + 1])])) };
  }

  /** Connectivity, or the activity that illness is read from: 1 in health. what acts: needed for activity alone. */
  connectivity(acting) {
    this.end.all.set(this.y);
    if (this.activity) {
      this.settle(this.firing[0], this.end.parts, acting);
      return this.activity.reduce((sum, weight, i) => sum + weight * this.firing[0].x[i], 0);
    }
    const { labile, intermediate, consolidated } = this.end.parts;
    return this.readout.reduce((sum, weight, j) => sum + weight * (labile[j] + intermediate[j] + consolidated[j]), 0);
  }

  /** From now on some neurons are silent and some synapses are cut. */
  injure({ neurons, bias, synapses, share }) {
    const { wiring } = this, { plastic } = wiring, changed = (list, places, f) => { const out = list.slice(); for (const k of places) out[k] = f(out[k]); return out; };
    this.wiring = { ...wiring, bias: changed(wiring.bias, neurons, () => bias), plastic: { ...plastic, weight: changed(plastic.weight, synapses, weight => share * weight) } };
    this.end.all.set(this.y);
    for (const name of ['labile', 'intermediate', 'consolidated']) for (const j of synapses) this.end.parts[name][j] *= share;
    this.y.set(this.end.all);
    for (const fast of this.firing) fast.inverse = null;
    this.step = 1;
  }

  /** Set the activity that activity x drives all neurons to. */
  drive(x, monoamine_nM, slow, { effects, input }) {
    const { wiring: w, rules: p, around, driven } = this;
    model.act_locally(w, effects, input, this.here);
    model.monoamine_pools(w, p, effects, slow, x, monoamine_nM);
    model.surround(w, p, effects, this.here, slow, monoamine_nM, around);
    for (let i = 0; i < x.length; i++) driven[i] = model.neuron_activity(w, around, x, i);
  }

  /** Set how far activity x is from what it drives all neurons to; returns the farthest. */
  setResidual(fast, slow, acting) {
    const { driven, residual } = this;
    this.drive(fast.x, fast.monoamine_nM, slow, acting);
    let farthest = 0;
    for (let i = 0; i < driven.length; i++) { residual[i] = driven[i] - fast.x[i]; farthest = Math.max(farthest, Math.abs(residual[i])); }
    return farthest;
  }

  /** Find the firing that sustains itself by Newton's method, from the present firing on; slopes are kept while they serve. */
  settle(fast, slow, acting) {
    const { x } = fast, { residual, around: { strength } } = this;
    for (let j = 0; j < strength.length; j++) strength[j] = slow.labile[j] + slow.intermediate[j] + slow.consolidated[j];
    for (let sweep = 0, before = 0.1; sweep < MOST_SWEEPS; sweep++) {
      const farthest = this.setResidual(fast, slow, acting);
      if (farthest <= this.settled) return;
      if (!fast.inverse || farthest > 0.2 * before) fast.inverse = inverted(this.slopes(x, slow, acting));
      before = farthest;
      for (let i = 0; i < x.length; i++) {
        let move = 0;
        for (let k = 0; k < x.length; k++) move += fast.inverse[i][k] * residual[k];
        x[i] = Math.max(0, x[i] + Math.max(-LARGEST_MOVE, Math.min(LARGEST_MOVE, move)));
      }
    }
    this.settlePlainly(fast, slow, acting);
  }

  /** Where Newton's method fails: plain moves from healthy firing, ever smaller. */
  settlePlainly(fast, slow, acting) {
    for (const [damping, most] of DAMPINGS) {
      fast.x.fill(1);
      for (let sweep = 0; sweep < most; sweep++) {
        if (this.setResidual(fast, slow, acting) <= this.settled) return;
        this.residual.forEach((value, i) => { fast.x[i] += damping * value; });
      }
    }
    throw new Error('firing does not settle');
  }

  /** The matrix 1 - d driven / d x. */
  slopes(x, slow, acting) {
    const { nearby, driven, spare } = this, now = driven.slice(), matrix = Array.from(x, () => new Float64Array(x.length));
    for (let k = 0; k < x.length; k++) {
      const h = 1e-6 * Math.max(x[k], 1e-3);
      nearby.set(x);
      nearby[k] += h;
      this.drive(nearby, spare, slow, acting);
      for (let i = 0; i < x.length; i++) matrix[i][k] = (i === k) - (driven[i] - now[i]) / h;
    }
    return matrix;
  }

  /** Set the rates of change (1/h) at slow variables y under what acts: the mean over both ends of a swing. */
  setRates(y, acting, into) {
    const { wiring: w, rules: p, rate } = this;
    into.fill(0);
    acting.forEach((one, end) => {
      const fast = this.firing[end];
      this.settle(fast, y.parts, one);
      for (let i = 0; i < fast.x.length; i++) model.neuron_change(w, p, one.effects, this.here, y.parts, fast, i, rate.parts);
      model.circuit_change(w, p, one.effects, this.here, y.parts, fast, rate.parts);
      for (let k = 0; k < into.length; k++) into[k] += one.share * rate.all[k];
    });
  }

  /** Go from one hour to another under an exposure, with a stop on every day. */
  advance(exposed, from, to, onStop) {
    const days = Array.from({ length: Math.ceil((to - from) / DAY_H) }, (_, k) => (Math.floor(from / DAY_H) + k + 1) * DAY_H);
    this.go(exposed, from, [...days.filter(hour => hour < to), to], onStop);
  }

  /** Go on through some stops (hours, the last one is the end) and all jumps of an exposure; a step ends on each. */
  go(exposed, from, stops, onStop) {
    const to = stops[stops.length - 1];
    let now = from;
    for (const stop of ascending([...exposed.jumps_h, ...stops]).filter(hour => hour > from && hour <= to)) {
      for (let tries = 0; now < stop; tries++) {
        if (tries > MOST_STEPS) throw new Error('the slow variables change too fast');
        const h = Math.min(this.step, stop - now), error = this.tryStep(exposed, now, h, stop), good = error <= this.tolerance;
        const next = h * Math.min(5, Math.max(0.2, 0.9 * (this.tolerance / (error + 1e-15)) ** 0.2));
        if (good) { this.y.set(this.end.all); now = h === stop - now ? stop : now + h; }
        this.step = good ? Math.max(next, h < this.step ? this.step : 0) : next;
      }
      onStop(now, exposed);
    }
  }

  /** One step of Dormand and Prince's method: sets `end`, returns the error. */
  tryStep(exposed, now, h, stop) {
    const { y, end, stages, scale } = this;
    STAGES.forEach(([share, ...weights], stage) => {
      for (let k = 0; k < y.length; k++) end.all[k] = y[k] + h * weighted(stages, weights, k);
      this.setRates(end, actingAt(exposed, Math.min(now + share * h, stop - 1e-7)), stages[stage].all);
    });
    let error = 0;
    for (let k = 0; k < y.length; k++) error = Math.max(error, Math.abs(h * weighted(stages, ERROR, k)) / scale[k]);
    return error;
  }
}

function weighted(stages, weights, k) {
  let sum = 0;
  for (let s = 0; s < weights.length; s++) sum += weights[s] * stages[s].all[k];
  return sum;
}

/** Dormand & Prince 1980: share of the step and weights of the stages before, the last one being the end point. */
const STAGES = [
  [0], [1 / 5, 1 / 5], [3 / 10, 3 / 40, 9 / 40], [4 / 5, 44 / 45, -56 / 15, 32 / 9], [8 / 9, 19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
  [1, 9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656], [1, 35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
];
const ERROR = [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40];

/** Inverse of a matrix, by elimination with row exchange. */
function inverted(matrix) {
  const n = matrix.length, rows = matrix.map((row, k) => { const wide = new Float64Array(2 * n); wide.set(row); wide[n + k] = 1; return wide; });
  for (let j = 0; j < n; j++) {
    let best = j;
    for (let i = j + 1; i < n; i++) if (Math.abs(rows[i][j]) > Math.abs(rows[best][j])) best = i;
    [rows[j], rows[best]] = [rows[best], rows[j]];
    for (let i = 0; i < n; i++) {
      const factor = rows[i][j] / rows[j][j];
      if (i !== j && factor) for (let k = j; k < 2 * n; k++) rows[i][k] -= factor * rows[j][k];
    }
  }
  return rows.map((row, j) => row.slice(n).map(value => value / row[j]));
}

/** All doses of a regimen, in hours from the first phase on; a course that ends last goes on until an hour. */
function dosesOf(regimen, start, dose, goesOnUntil) {
  const { every, single, over } = regimen, given = (time, amount) => new exposure.Dose(time, amount, over, every, single);
  const list = regimen.doses.map(([since, amount]) => given(start + since, amount * dose)), last = list[list.length - 1];
  for (let time = last.time_h + every; time < goesOnUntil - 1e-9; time += every) list.push(given(time, last.relative_dose));
  return list;
}

/** Follow a patient from health through stress to the last day, as unstuck.patient.life does.
 *
 * given: what Python wrote (meanfield.py). settings: dose (factor), treatedDays (doses later than that are not given, and
 * a regular course goes on until then), stress (0 to 1, from day 0 on), stressDays (before day 0); null: as the treatment
 * says. Returns days, connectivity and recovery of every stop.
 */
function meanFieldRun(given, lastDay, { dose = 1, treatedDays = null, stress = 0, stressDays = null } = {}, tolerance = 1e-4) {
  const phases = given.phases.map((phase, k) => ({ ...phase, hours: stressDays !== null && phase.stress && k < given.day0 ? stressDays * DAY_H : phase.hours }));
  const starts = phases.map((_, k) => phases.slice(0, k).reduce((sum, phase) => sum + phase.hours, 0)), day0 = starts[given.day0], end = day0 + lastDay * DAY_H;
  const spells = phases.flatMap((phase, k) => [[starts[k], starts[k] + phase.hours, phase.stress], ...phase.bouts.map(([from, lasting, level]) => [starts[k] + from, starts[k] + from + lasting, level])]);
  spells.push([day0, end + DAY_H, stress]);
  const isTreatment = regimen => regimen.phase >= given.day0, lastStart = regimen => starts[regimen.phase] + regimen.doses[regimen.doses.length - 1][0];
  const last = treatedDays === null ? Infinity : day0 + treatedDays * DAY_H, windows = given.regimens.map(({ when }) => when ? [Infinity, Infinity] : [-Infinity, Infinity]);
  const latest = Math.max(...given.regimens.map(lastStart)), goesOn = regimen => isTreatment(regimen) && !regimen.single && lastStart(regimen) === latest && last < Infinity;
  const planned = given.regimens.map(regimen => dosesOf(regimen, starts[regimen.phase], isTreatment(regimen) ? dose : 1, goesOn(regimen) ? last : 0).filter(({ time_h }) => !isTreatment(regimen) || time_h < last));
  const noise = given.noise.length ? given.noise.map(vectorOf) : np.zeros([1, given.circuit.regions.length]);
  const exposed = (before, until) => {
    const doses = planned.map((list, k) => [given.regimens[k].drug, list.filter(({ time_h }) => windows[k][0] <= time_h && time_h < Math.min(windows[k][1], before))]).filter(([, list]) => list.length);
    const contributions = [...grouped(doses, ([drug]) => drug)].flatMap(([drug, lists]) => {
      const course = new exposure.Course(given.drugs[drug], lists.flatMap(([, list]) => list).sort((a, b) => a.time_h - b.time_h));
      return given.drugs[drug].contributions.map(part => forDoses(part, course));
    });
    const known = spells.filter(([from, , level]) => level && from < before).map(spell => new exposure.Spell(...spell));
    return new exposure.PatientExposure(given.circuit.regions, known, contributions, noise, until);
  };
  const circuit = new MeanField(given.circuit, tolerance), days = [], connectivity = [];
  const under = (known, hour) => { const [effects, input] = known.at(hour); return circuit.connectivity({ effects, input }); };
  const read = (hour, known) => { days.push((hour - day0) / DAY_H); connectivity.push(under(known, hour)); };
  const before = exposed(day0, day0 + DAY_H);
  days.push(-day0 / DAY_H);
  connectivity.push(1);
  circuit.advance(before, 0, day0, read);
  const healthy = 1, stuck = under(before, day0), recovery = value => (value - stuck) / (healthy - stuck);
  const asked = given.regimens.flatMap(({ when, stopWhen, phase }, k) => [['when', when], ['stopWhen', stopWhen]].filter(([, asked]) => asked)
    .map(([kind, asked]) => ({ kind, asked, regimen: k, hour: starts[phase] + asked.hour })));
  const events = [...asked, ...given.lesions.map(lesion => ({ lesion, hour: day0 + lesion.hour }))].sort((a, b) => a.hour - b.hour).filter(({ hour }) => hour < end);
  let now = day0;
  for (const { hour, kind, asked, regimen, lesion } of [...events, { hour: end }]) {
    const known = exposed(Infinity, end);
    circuit.advance(known, now, hour, read);
    now = hour;
    if (lesion) circuit.injure(lesion);
    const r = recovery(under(known, hour)), holds = asked && (asked.below !== null ? r < asked.below : r >= asked.atLeast);
    if (holds) windows[regimen] = kind === 'when' ? [hour, Infinity] : [windows[regimen][0], hour];
  }
  return { days, connectivity, recovery: connectivity.map(recovery), stuckAt: stuck };
}
