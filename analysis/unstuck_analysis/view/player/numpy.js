/* What the classes translated from Python need of Python and numpy: `py` (the language), `op` (operators), `np`.
   A vector is a Float64Array (of truth values: a Uint8Array), a table is a list of vectors of the same length. */

const isVector = ArrayBuffer.isView, isTable = a => Array.isArray(a) && isVector(a[0]);
const vectorOf = list => Float64Array.from(list);

/** Number of entries of a sorted list that are at most x. */
function countUpTo(sorted, x) {
  let low = 0, high = sorted.length;
  while (low < high) { const middle = (low + high) >> 1; if (sorted[middle] <= x) low = middle + 1; else high = middle; }
  return low;
}

/** A dictionary; keys may be lists. */
class Dict {
  constructor(pairs = []) { this.pairs = new Map(); for (const [key, value] of pairs) this.set(key, value); }
  static nameOf(key) { return typeof key === 'object' ? JSON.stringify(key) : key; }
  has(key) { return this.pairs.has(Dict.nameOf(key)); }
  get(key) { return this.pairs.get(Dict.nameOf(key))[1]; }
  set(key, value) { this.pairs.set(Dict.nameOf(key), [key, value]); }
  setdefault(key, value) { if (!this.has(key)) this.set(key, value); return this.get(key); }
  get length() { return this.pairs.size; }
  items() { return [...this.pairs.values()]; }
  values() { return this.items().map(([, value]) => value); }
  [Symbol.iterator]() { return this.items().map(([key]) => key)[Symbol.iterator](); }
}

class Slice {
  get isWhole() { return this.from === 0 && this.to === undefined; }
  constructor(from, to) { this.from = from ?? 0; this.to = to ?? undefined; }
  of(array) { return isVector(array) ? array.subarray(this.from, this.to) : array.slice(this.from, this.to); }
}

const largest = list => { let most = -Infinity; for (const x of list) if (x > most) most = x; return most; };
const smallest = list => { let least = Infinity; for (const x of list) if (x < least) least = x; return least; };
const placeIn = (array, k) => k < 0 ? array.length + k : k;

const columns = new WeakMap(); // of each table, until `py.set` changes it

/** One column of a table; it is kept, because running means ask for the same one at every moment. */
function columnOf(table, column) {
  if (!columns.has(table)) columns.set(table, new Map());
  const known = columns.get(table);
  if (!known.has(column)) known.set(column, table.reduce((found, row, k) => { found[k] = row[placeIn(row, column)]; return found; }, new Float64Array(table.length)));
  return known.get(column);
}

let counted = new Float64Array(0); // the numbers from 0 on

const py = {
  all: new Slice(), slice: (from, to) => new Slice(from, to), list: a => Array.isArray(a) ? a : Array.from(a), tuple: a => py.list(a), set: a => new Set(a), deque: () => [],
  len: a => a.length ?? a.size, bool: a => typeof a === 'object' && a !== null && ('length' in a || a instanceof Set) ? py.len(a) > 0 : Boolean(a),
  either: (a, b) => py.bool(a) ? a : b(), both: (a, b) => py.bool(a) ? b() : a,
  in: (a, all) => all.has ? all.has(a) : all.includes(a),
  int: Math.trunc, float: Number, abs: Math.abs, exp: Math.exp, log: Math.log, sqrt: Math.sqrt, copysign: (size, sign) => sign < 0 ? -Math.abs(size) : Math.abs(size),
  round: (x, digits = 0) => Math.round(x * 10 ** digits) / 10 ** digits,
  range: (...ends) => { const [from, to] = ends.length > 1 ? ends : [0, ends[0]]; return Array.from({ length: Math.max(0, to - from) }, (_, k) => from + k); },
  enumerate: a => py.list(a).map((one, k) => [k, one]), zip: (a, b) => py.list(a).map((one, k) => [one, b[k]]), pairwise: a => a.slice(1).map((one, k) => [a[k], one]),
  sorted: (a, { key = x => x } = {}) => [...a].sort((x, y) => key(x) - key(y)),
  sum: a => py.list(a).reduce((sum, x) => sum + x, 0), prod: a => py.list(a).reduce((product, x) => product * x, 1), fsum: a => py.sum(a),
  max: (first, ...rest) => py.extreme(first, rest, largest, 1), min: (first, ...rest) => py.extreme(first, rest, smallest, -1),
  extreme(first, rest, of, sign) {
    if (typeof first === 'number') return of([first, ...rest]);
    const [{ key = null } = {}] = rest, list = py.list(first);
    return key ? list.reduce((best, one) => sign * (key(one) - key(best)) > 0 ? one : best) : of(list);
  },
  get(array, place) {
    if (array instanceof Dict) return array.get(place);
    if (typeof place === 'number') return array[placeIn(array, place)];
    if (place instanceof Slice) return place.of(array);
    if (place instanceof Uint8Array) return array.filter((_, k) => place[k]);
    if (isVector(place)) return isVector(array) ? array.constructor.from(place, k => array[k]) : Array.from(place, k => array[k].slice());
    const [row, column] = place, rows = py.get(array, row);
    if (typeof row === 'number') return py.get(rows, column);
    return typeof column === 'number' ? columnOf(row instanceof Slice && row.isWhole ? array : rows, column) : rows.map(one => py.get(one, column));
  },
  set(array, place, value) {
    const at = k => typeof value === 'number' ? value : value[k];
    columns.delete(array);
    if (array instanceof Dict) array.set(place, value);
    else if (typeof place === 'number') array[placeIn(array, place)] = value;
    else if (place instanceof Slice) place.of(array).forEach((_, k, part) => { part[k] = at(k); });
    else if (place instanceof Uint8Array) { let next = 0; place.forEach((there, k) => { if (there) array[k] = at(next++); }); }
    else if (typeof place[0] === 'number') py.set(array[place[0]], place[1], value);
    else py.get(array, place[0]).forEach((row, k) => { row[place[1]] = at(k); });
  },
};

/** An operator between numbers, vectors and tables (a vector meets every row of a table). */
function operator(f, into = Float64Array) {
  const of = (a, b) => {
    if (typeof a !== 'object' && typeof b !== 'object') return f(a, b);
    if (isTable(a)) return a.map((row, k) => of(row, isTable(b) ? b[k] : b));
    if (isTable(b)) return b.map(row => of(a, row));
    const size = typeof a === 'object' ? a.length : b.length, out = new into(size);
    for (let k = 0; k < size; k++) out[k] = f(typeof a === 'object' ? a[k] : a, typeof b === 'object' ? b[k] : b);
    return out;
  };
  return of;
}

const op = {
  ...Object.fromEntries(Object.entries({ add: (a, b) => a + b, sub: (a, b) => a - b, div: (a, b) => a / b, pow: Math.pow, floordiv: (a, b) => Math.floor(a / b) }).map(([name, f]) => [name, operator(f)])),
  ...Object.fromEntries(Object.entries({ lt: (a, b) => a < b, le: (a, b) => a <= b, gt: (a, b) => a > b, ge: (a, b) => a >= b, eq: (a, b) => a === b, ne: (a, b) => a !== b, and: (a, b) => a && b }).map(([name, f]) => [name, operator(f, Uint8Array)])),
  times: operator((a, b) => a * b),
  mul: (a, b) => Array.isArray(a) && !isTable(a) ? Array.from({ length: b }, () => a).flat() : op.times(a, b),
  or: (a, b) => new Set([...a, ...b]),
};

const alongRows = (table, f) => Float64Array.from(table[0], (_, k) => table.reduce((found, row) => f(found, row[k]), undefined));
const np = {
  int64: 'int64', T: table => Array.from(table[0], (_, k) => Float64Array.from(table, row => row[k])), copy: a => a.map(row => isVector(row) ? row.slice() : row),
  array: list => isVector(list) || typeof list[0] !== 'object' ? vectorOf(list) : list.map(np.array),
  asarray: a => a, size: a => a.length, shape: a => isTable(a) ? [a.length, a[0].length] : [a.length],
  reshape: a => a, // here only (n,) to (n,) and (n, m) to (n, m)
  tolist: a => py.list(a), astype: (a, type) => type === 'float' ? vectorOf(a) : a.map(Math.trunc), append: (list, one) => { list.push(one); }, popleft: list => list.shift(), index: (list, one) => list.indexOf(one),
  union: (set, ...others) => new Set([...set, ...others.flatMap(py.list)]),
  zeros: size => typeof size === 'number' ? new Float64Array(size) : Array.from({ length: size[0] }, () => new Float64Array(size[1])), empty: size => np.zeros(size),
  full: (size, value) => new Float64Array(size).fill(value), tile: (row, [rows]) => Array.from({ length: rows }, () => row.slice()),
  arange(...ends) {
    const [from, to, step = 1] = ends.length > 1 ? ends : [0, ends[0]], size = Math.max(0, Math.ceil((to - from) / step));
    if (size > counted.length) counted = Float64Array.from({ length: 2 * size }, (_, k) => k);
    return ends.length > 1 ? counted.subarray(0, size).map(k => from + k * step) : counted.subarray(0, size);
  },
  vstack: parts => parts.flatMap(part => isTable(part) ? part : [part]),
  cumsum: table => { const sum = new Float64Array(table[0].length); return table.map(row => { row.forEach((x, k) => { sum[k] += x; }); return sum.slice(); }); },
  power_outer: (vector, powers) => Array.from(vector, x => Float64Array.from(powers, power => x ** power)),
  searchsorted: (sorted, x) => isVector(x) ? x.map(one => countUpTo(sorted, one)) : countUpTo(sorted, x), // side: right
  interp(x, places, values) {
    if (isVector(x)) return x.map(one => np.interp(one, places, values));
    const next = countUpTo(places, x), last = next - 1;
    if (last < 0) return values[0];
    return next === places.length ? values[last] : values[last] + (values[next] - values[last]) * (x - places[last]) / (places[next] - places[last]);
  },
  abs: a => a.map(Math.abs), exp: a => typeof a === 'number' ? Math.exp(a) : a.map(Math.exp), maximum: operator(Math.max), clip: (a, low, high) => a.map(x => Math.max(low, Math.min(high, x))),
  max: (a, { axis, initial = -Infinity } = {}) => axis === 0 ? alongRows(a, (most, x) => most > x ? most : x) : Math.max(initial, largest(a)),
  sum: table => alongRows(table, (sum = 0, x) => sum + x), prod: table => alongRows(table, (product = 1, x) => product * x), // axis: 0
};
