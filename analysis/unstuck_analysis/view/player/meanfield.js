/* The mean-field of one patient, computed in this page: one average neuron per population. All rules are in `model`,
   translated from Python; this file follows their state through time, and what acts on it. Times are hours. */

const TABLE_STEPS = 32, STEADY = 0.05; // of the running means of frequent doses, as in unstuck/drugs/exposure.py
const MOST_SWEEPS = 60, LARGEST_MOVE = 0.5, DAMPINGS = [[0.5, 5000], [0.1, 10000], [0.02, 20000]]; // as in unstuck/engine/settle.py
const MOST_STEPS = 20000, DAY_H = 24;

/** Number of entries of a sorted list that are at most x. */
function countUpTo(sorted, x) {
  let low = 0, high = sorted.length;
  while (low < high) { const middle = (low + high) >> 1; if (sorted[middle] <= x) low = middle + 1; else high = middle; }
  return low;
}

/** Lists of what has the same key, in the order in which the keys come. */
function grouped(list, keyOf) {
  const groups = new Map();
  for (const one of list) groups.set(keyOf(one), [...(groups.get(keyOf(one)) || []), one]);
  return groups;
}

const ascending = numbers => [...new Set(numbers)].sort((a, b) => a - b);
const sharePart = (usual, relative) => usual < 1 ? usual * relative / (1 - usual + usual * relative) : +(relative > 0);

/** Amounts in the compartments of a drug after doses. */
class Amounts {
  constructor(compartments, doses) {
    const { shifted, fastest, enters } = compartments;
    Object.assign(this, { compartments, found: new Float64Array(enters.length) });
    const changes = new Map(), add = (hour, flow, bolus) => { const [f, b] = changes.get(hour) || [0, 0]; changes.set(hour, [f + flow, b + bolus]); };
    for (const { time, amount, over } of doses) {
      if (over > 0) { add(time, amount / over, 0); add(time + over, -amount / over, 0); } else add(time, 0, amount);
    }
    this.hours = ascending(changes.keys());
    this.after = [];
    this.hours.forEach((hour, k) => {
      const now = new Float64Array(enters.length), [flow, bolus] = changes.get(hour);
      if (k) model.move_on(shifted, fastest, this.after[k - 1], hour - this.hours[k - 1], now);
      this.after.push(now.map((amount, i) => amount + enters[i] * (i ? bolus : flow)));
    });
  }

  at(hour) {
    const last = countUpTo(this.hours, hour) - 1;
    if (last < 0) return 0;
    const { shifted, fastest, place } = this.compartments;
    model.move_on(shifted, fastest, this.after[last], hour - this.hours[last], this.found);
    return Math.max(this.found[place], 0);
  }

  /** The same for times since a dose that come again and again: what is left of one unit in each compartment is kept. */
  atAgain(hour) {
    const last = countUpTo(this.hours, hour) - 1;
    if (last < 0) return 0;
    const { compartments: { shifted, fastest, place, enters, left = new Map() }, found, hours } = this, elapsed = hour - hours[last], key = elapsed.toFixed(9);
    this.compartments.left = left;
    if (!left.has(key)) {
      left.set(key, enters.map((_, k) => {
        model.move_on(shifted, fastest, Float64Array.from(enters, (_, i) => +(i === k)), elapsed, found);
        return found[place];
      }));
    }
    return Math.max(left.get(key).reduce((sum, share, k) => sum + share * this.after[last][k], 0), 0);
  }
}

/** How many usual doses per usual interval count, from each hour on at which their number changes. */
function countingDoses(doses, usualEvery) {
  const rounded = hour => Math.round(hour * 1e6) / 1e6, changes = [];
  const spans = doses.map(({ time, amount, over, every, single }) => {
    const lasting = Math.max(single ? usualEvery : Math.min(every, usualEvery), over);
    return [rounded(time), rounded(time + lasting), amount * usualEvery / lasting];
  });
  let next = 0, counting = [];
  for (const hour of ascending(spans.flatMap(([from, to]) => [from, to]))) {
    while (next < spans.length && spans[next][0] <= hour) counting.push(spans[next++]);
    counting = counting.filter(span => span[1] > hour);
    const level = counting.reduce((sum, span) => sum + span[2], 0);
    if (!changes.length || changes[changes.length - 1][1] !== level) changes.push([hour, level]);
  }
  return changes;
}

/** A level that rises to what is taken and falls to it: from each hour on target, distance from it, rate. */
class Level {
  constructor(changes, riseTau, fallHalfLife) {
    this.hours = [-Infinity]; this.pieces = [[0, 0, 0]];
    for (const [hour, target] of changes) {
      const before = this.at(hour), rate = target > before ? 1 / riseTau : Math.LN2 / fallHalfLife;
      this.hours.push(hour); this.pieces.push(rate === Infinity ? [target, 0, 0] : [target, before - target, rate]);
    }
  }

  at(hour) {
    const last = countUpTo(this.hours, hour) - 1, [target, distance, rate] = this.pieces[last];
    return distance ? target + distance * Math.exp(-rate * (hour - this.hours[last])) : target;
  }
}

/** Window of the running mean that frequent doses are seen as; 0: every moment counts. */
function averagedOver(doses) {
  const frequent = doses.filter(dose => dose.every <= DAY_H && !dose.single), window = Math.max(...frequent.map(dose => dose.every));
  const apart = Math.min(...frequent.slice(1).map((dose, k) => dose.time - frequent[k].time));
  return frequent.length > 1 && apart <= window + 1e-9 ? window : 0;
}

/** Hours at which a dose begins or an infusion ends; of frequent doses those next to a longer gap. */
function endsOfDoses(doses, window) {
  if (!window) return doses.flatMap(({ time, over }) => [time, time + over]);
  const last = doses[doses.length - 1], gaps = doses.slice(1).map((dose, k) => [doses[k], dose]).filter(([a, b]) => b.time - a.time > window + 1e-9);
  return [doses[0].time, last.time + last.every, ...gaps.flatMap(([a, b]) => [a.time + a.every, b.time])];
}

/** What one action of a drug contributes to its target over time. */
class Contribution {
  constructor(action, doses, usualEvery, until) {
    Object.assign(this, action);
    this.first = doses[0].time;
    this.off = this.combines === 'multiply' ? 1 : 0;
    if (this.kind === 'level') {
      const changes = countingDoses(doses, usualEvery);
      this.taken = new Level(changes, this.riseTau, this.fallHalfLife);
      this.edges = changes.map(([hour]) => hour);
    } else {
      const window = averagedOver(doses);
      this.taken = new Amounts(action.amounts, doses);
      this.edges = endsOfDoses(doses, window);
      if (window) this.mean = new RunningMean(this, window, until);
    }
  }

  at(hour) { return this.effect(this.taken.at(hour)); }

  /** What a level, or an amount, contributes. */
  effect(there) {
    const taken = there * (this.perAmount ?? 1);
    const strength = this.kind === 'curve' ? this.usual * model.hill(taken, 1, this.exponent) : this.share ? sharePart(this.usual, taken) : this.usual * taken;
    return this.off + this.sign * strength;
  }

  seen(hour) { return this.mean ? this.mean.over(hour) : this.at(hour); }
}

/** Mean and swing of frequent doses within a window, from integrals of the effect, its square and its cube. */
class RunningMean {
  constructor(contribution, window, until) {
    Object.assign(this, { window, first: contribution.first, off: contribution.off, step: window / TABLE_STEPS, sizes: [], integrals: [[0, 0, 0]] });
    const cells = Math.ceil((until + DAY_H + this.step - this.first) / this.step) - 1;
    let largest = 0;
    for (let k = 0; k < cells; k++) {
      const size = contribution.effect(contribution.taken.atAgain(this.first + (k + 0.5) * this.step)) - this.off, [a, b, c] = this.integrals[k];
      this.sizes.push(size);
      this.integrals.push([a + size * this.step, b + size ** 2 * this.step, c + size ** 3 * this.step]);
      if (k + 1 >= TABLE_STEPS) largest = Math.max(largest, Math.abs(this.integrals[k + 1][0] - this.integrals[k + 1 - TABLE_STEPS][0]));
    }
    this.steady = STEADY * largest / window;
  }

  place(hour) { return (hour - this.first) / this.step; }

  /** Integrals from the first dose until an hour. */
  until(hour) {
    const place = Math.max(0, Math.min(this.sizes.length, this.place(hour))), cell = Math.min(Math.floor(place), this.sizes.length - 1);
    return this.integrals[cell].map((value, k) => value + (place - cell) * (this.integrals[cell + 1][k] - value));
  }

  moments(hour) {
    const from = this.until(hour - this.window / 2), to = this.until(hour + this.window / 2);
    return to.map((value, k) => (value - from[k]) / this.window);
  }

  over(hour) { return this.off + this.moments(hour)[0]; }

  /** How the effect swings about an hour, counted from no effect; null where it is steady. */
  swing(hour) {
    const [mean, square, cube] = this.moments(hour), deviation = Math.sqrt(Math.max(square - mean ** 2, 0));
    if (deviation <= this.steady) return null;
    const skewness = Math.sign(mean) * (cube - 3 * mean * square + 2 * mean ** 3) / deviation ** 3, up = 0.5 * (skewness + Math.sqrt(skewness ** 2 + 4));
    const first = this.place(hour - this.window / 2), last = this.place(hour + this.window / 2);
    const within = this.sizes.slice(Math.max(Math.trunc(first), 0), Math.trunc(last) + 1);
    if (first < 0 || last > this.sizes.length) within.push(0);
    return { mean, deviation, share: 1 / (1 + up ** 2), spread: mean ? deviation / Math.abs(mean) : 0, smallest: Math.min(...within), largest: Math.max(...within) };
  }
}

/** The two ends of a swing whose first takes a share of the time. */
function endsOfSwing({ mean, deviation, smallest, largest }, share) {
  const first = Math.sign(mean) * Math.sqrt((1 - share) / share), second = -1 / first;
  const room = Math.min((largest - mean) / Math.max(first, second), (smallest - mean) / Math.min(first, second));
  const size = Math.max(Math.min(deviation, room), 0);
  return [mean + first * size, mean + second * size];
}

const COMBINED = {
  add: values => values.reduce((sum, value) => sum + value, 0), gain: values => Math.max(-1, COMBINED.add(values)), largest: values => Math.max(...values),
  multiply: values => values.reduce((product, value) => product * value, 1), together: values => 1 - values.reduce((product, value) => product * (1 - value), 1),
};

/** What acts on the patient over time: stress, noise, and all doses of all drugs. */
class Exposure {
  constructor(circuit, noise, spells, courses, until) {
    Object.assign(this, { circuit, noise, spells });
    this.contributions = courses.flatMap(({ drug, doses }) => drug.actions.map(action => new Contribution(action, doses, drug.usualEvery, until)));
    this.groups = [...grouped(this.contributions, ({ field, region }) => `${field} ${region}`).values()];
    this.jumps = [...spells.flatMap(([from, to]) => [from, to]), ...this.contributions.flatMap(part => part.edges)];
  }

  /** Effects and region inputs at an hour; `moved` holds the effect of some contributions instead of their mean. */
  acting(hour, moved = new Map()) {
    const { regions, noEffect } = this.circuit, day = Math.max(0, Math.min(this.noise.length - 1, Math.floor(hour / DAY_H)));
    const effects = { ...noEffect }, input = Float64Array.from(this.noise[day] || regions.map(() => 0));
    effects.stress = Math.max(0, ...this.spells.filter(([from, to]) => from <= hour && hour < to).map(([, , stress]) => stress));
    for (const group of this.groups) {
      const values = group.map(part => moved.has(part) ? part.off + moved.get(part) : part.seen(hour)), { field, region, combines } = group[0];
      if (region !== null) input[regions.indexOf(region)] += COMBINED.add(values);
      else effects[field] = COMBINED[combines](field === 'stress' ? [...values, effects.stress] : values);
    }
    return { effects, input };
  }

  /** What acts at the two ends of the swing of frequent doses, and the share of the time at the first. */
  at(hour) {
    const swings = new Map();
    for (const part of this.contributions) {
      const swing = part.mean && part.first <= hour ? part.mean.swing(hour) : null;
      if (swing) swings.set(part, swing);
    }
    if (!swings.size) return [{ share: 1, ...this.acting(hour) }];
    const { share } = [...swings.values()].reduce((most, swing) => swing.spread > most.spread ? swing : most);
    const end = which => new Map([...swings].map(([part, swing]) => [part, endsOfSwing(swing, share)[which]]));
    return [{ share, ...this.acting(hour, end(0)) }, { share: 1 - share, ...this.acting(hour, end(1)) }];
  }
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
    this.firing = [0, 1].map(() => ({ x: floats(neurons).fill(1), serotonin_nM: floats(this.regions.length), inverse: null }));
    this.around = { gain: floats(populations), input_drive: floats(populations), inhibition: floats(populations), strength: floats(this.readout.length) };
    this.here = Array.from({ length: populations }, () => floats(5));
    Object.assign(this, { driven: floats(neurons), residual: floats(neurons), nearby: floats(neurons), spare: floats(this.regions.length) });
  }

  /** A vector of slow variables, and its parts by name. */
  vector(size) {
    const all = new Float64Array(size);
    return { all, parts: Object.fromEntries(this.variables.map((name, k) => [name, all.subarray(this.start[k], this.start[k + 1])])) };
  }

  /** Connectivity: 1 in health. */
  get connectivity() {
    this.end.all.set(this.y);
    const { labile, intermediate, consolidated } = this.end.parts;
    return this.readout.reduce((sum, weight, j) => sum + weight * (labile[j] + intermediate[j] + consolidated[j]), 0);
  }

  /** Set the activity that activity x drives all neurons to. */
  drive(x, serotonin_nM, slow, { effects, input }) {
    const { wiring: w, rules: p, around, driven } = this;
    model.act_locally(w, effects, input, this.here);
    model.serotonin_pools(w, p, effects, slow, x, serotonin_nM);
    model.surround(w, p, effects, this.here, slow, serotonin_nM, around);
    for (let i = 0; i < x.length; i++) driven[i] = model.neuron_activity(w, around, x, i);
  }

  /** Set how far activity x is from what it drives all neurons to; returns the farthest. */
  setResidual(fast, slow, acting) {
    const { driven, residual } = this;
    this.drive(fast.x, fast.serotonin_nM, slow, acting);
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
  advance(exposure, from, to, onStop) {
    const days = Array.from({ length: Math.ceil((to - from) / DAY_H) }, (_, k) => (Math.floor(from / DAY_H) + k + 1) * DAY_H);
    this.go(exposure, from, [...days.filter(hour => hour < to), to], onStop);
  }

  /** Go on through some stops (hours, the last one is the end) and all jumps of an exposure; a step ends on each. */
  go(exposure, from, stops, onStop) {
    const to = stops[stops.length - 1];
    let now = from;
    for (const stop of ascending([...exposure.jumps, ...stops]).filter(hour => hour > from && hour <= to)) {
      for (let tries = 0; now < stop; tries++) {
        if (tries > MOST_STEPS) throw new Error('the slow variables change too fast');
        const h = Math.min(this.step, stop - now), error = this.tryStep(exposure, now, h, stop), good = error <= this.tolerance;
        const next = h * Math.min(5, Math.max(0.2, 0.9 * (this.tolerance / (error + 1e-15)) ** 0.2));
        if (good) { this.y.set(this.end.all); now = h === stop - now ? stop : now + h; }
        this.step = good ? Math.max(next, h < this.step ? this.step : 0) : next;
      }
      onStop(now);
    }
  }

  /** One step of Dormand and Prince's method: sets `end`, returns the error. */
  tryStep(exposure, now, h, stop) {
    const { y, end, stages, scale } = this;
    STAGES.forEach(([share, ...weights], stage) => {
      for (let k = 0; k < y.length; k++) end.all[k] = y[k] + h * weighted(stages, weights, k);
      this.setRates(end, exposure.at(Math.min(now + share * h, stop - 1e-7)), stages[stage].all);
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
  const { every, single, over } = regimen, list = regimen.doses.map(([since, amount]) => ({ time: start + since, amount: amount * dose, over, every, single }));
  for (let time = list[list.length - 1].time + every; time < goesOnUntil - 1e-9; time += every) list.push({ ...list[list.length - 1], time });
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
  const planned = given.regimens.map(regimen => dosesOf(regimen, starts[regimen.phase], isTreatment(regimen) ? dose : 1, goesOn(regimen) ? last : 0).filter(({ time }) => !isTreatment(regimen) || time < last));
  const exposure = (before, until) => {
    const doses = planned.map((list, k) => [given.regimens[k].drug, list.filter(({ time }) => windows[k][0] <= time && time < Math.min(windows[k][1], before))]).filter(([, list]) => list.length);
    const courses = [...grouped(doses, ([drug]) => drug)].map(([drug, lists]) => ({ drug: given.drugs[drug], doses: lists.flatMap(([, list]) => list).sort((a, b) => a.time - b.time) }));
    return new Exposure(given.circuit, given.noise, spells.filter(([from, , level]) => level && from < before), courses, until);
  };
  const circuit = new MeanField(given.circuit, tolerance), days = [], connectivity = [];
  const read = hour => { days.push((hour - day0) / DAY_H); connectivity.push(circuit.connectivity); };
  read(0);
  circuit.advance(exposure(day0, day0 + DAY_H), 0, day0, read);
  const healthy = connectivity[0], stuck = circuit.connectivity, recovery = value => (value - stuck) / (healthy - stuck);
  const questions = given.regimens.flatMap(({ when, stopWhen, phase }, k) => [['when', when], ['stopWhen', stopWhen]].filter(([, asked]) => asked)
    .map(([kind, asked]) => ({ kind, asked, regimen: k, hour: starts[phase] + asked.hour }))).sort((a, b) => a.hour - b.hour);
  let now = day0;
  for (const { hour, kind, asked, regimen } of [...questions.filter(question => question.hour < end), { hour: end }]) {
    circuit.advance(exposure(Infinity, end), now, hour, read);
    now = hour;
    const r = recovery(circuit.connectivity), holds = asked && (asked.below !== null ? r < asked.below : r >= asked.atLeast);
    if (holds) windows[regimen] = kind === 'when' ? [hour, Infinity] : [windows[regimen][0], hour];
  }
  return { days, connectivity, recovery: connectivity.map(recovery), stuckAt: stuck };
}
