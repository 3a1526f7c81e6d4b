/* A recording: frames of all neurons and curves of one copy, read from the binary form and interpolated. */

class Recording {
  constructor(key, header) {
    Object.assign(this, { key, header, columns: header.columns, days: [], values: [], bytes: [], done: false, stressed: [], doses: [] });
    this.position = Object.fromEntries(header.columns.map((name, k) => [name, k]));
    this.healthyHz = new Uint16Array(bytesOf(header.healthyHz).buffer);
    this.activity = new Uint8Array(header.neurons);
    this.now = new Float32Array(header.columns.length);
  }

  /** Add the frames of one binary message; frames from its start on are replaced. */
  add(about, buffer, offset) {
    const width = this.columns.length, neurons = this.header.neurons;
    for (const list of [this.days, this.values, this.bytes]) list.length = Math.min(list.length, about.start);
    const values = new Float32Array(buffer, offset, about.count * width);
    const bytes = new Uint8Array(buffer, offset + 4 * values.length);
    for (let k = 0; k < about.count; k++) {
      const row = values.subarray(k * width, (k + 1) * width);
      this.days.push(row[0]); this.values.push(row);
      this.bytes.push(bytes.subarray(k * 3 * neurons, (k + 1) * 3 * neurons));
    }
    Object.assign(this, { done: about.done, stressed: about.stressed, doses: about.doses });
  }

  get lastDay() { return this.days.length ? this.days[this.days.length - 1] : -Infinity; }

  /** Number of the last frame at or before a day. */
  frameAt(day) {
    let low = 0, high = this.days.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (this.days[middle] <= day) low = middle; else high = middle - 1; }
    return low;
  }

  /** Move to a day: `now` and `activity` become the state of that day, linear between frames. */
  moveTo(day) {
    const a = this.frameAt(day), b = Math.min(a + 1, this.days.length - 1), span = this.days[b] - this.days[a];
    const t = span > 0 ? Math.max(0, Math.min(1, (day - this.days[a]) / span)) : 0;
    const from = this.values[a], to = this.values[b], first = this.bytes[a], second = this.bytes[b];
    for (let k = 0; k < this.now.length; k++) this.now[k] = from[k] + (to[k] - from[k]) * t;
    if (t === 0) this.activity.set(first.subarray(0, this.activity.length));
    else for (let n = 0; n < this.activity.length; n++) this.activity[n] = first[n] + (second[n] - first[n]) * t + 0.5;
    this.between = [a, b, t];
  }

  /** The present value of a column (NaN if this circuit has no such column). */
  get(name) { return name in this.position ? this.now[this.position[name]] : NaN; }

  /** Activity, BDNF or TrkB (0, 1, 2) of one neuron at a frame, healthy = 1. */
  neuronAt(frame, neuron, what) { return this.bytes[frame][what * this.header.neurons + neuron] / 100; }

  /** The same at the present day. */
  neuronNow(neuron, what) {
    const [a, b, t] = this.between;
    return this.neuronAt(a, neuron, what) * (1 - t) + this.neuronAt(b, neuron, what) * t;
  }

  stressedOn(day) { return this.stressed.some(([from, to]) => from < day && day <= to); }
}

function bytesOf(base64) { return Uint8Array.from(atob(base64), letter => letter.charCodeAt(0)); }

/** Split a binary message into the JSON object at its start, and where the numbers begin. */
function splitMessage(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  return [JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))), 4 + length];
}

/** Unpack the compressed recording of an exported page. */
async function unpack(base64) {
  const stream = new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).arrayBuffer();
}
