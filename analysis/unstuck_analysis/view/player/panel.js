/* One copy of the patient on the page: its picture, its numbers as text, and what is chosen in it. */

class PanelView {
  constructor(place) {
    this.place = place;
    this.root = $('panel').content.firstElementChild.cloneNode(true);
    this.root.id = `copy-${place}`;
    this.find = selector => this.root.querySelector(selector);
    this.net = this.find('.net');
    this.picture = new Picture(this.net);
    this.net.addEventListener('click', event => this.clicked(event));
    new ResizeObserver(wake).observe(this.net);
    this.find('.detail > button').addEventListener('click', () => pick(null));
    this.find('.numbers').addEventListener('toggle', wake);
    if (SETUP.live) connectPanel(this);
  }

  /** Titles and controls of this copy. */
  update(panel) {
    const { letter, title, changed } = panel, name = changed ? `${title}, changed by hand` : title;
    this.panel = panel;
    this.root.setAttribute('aria-label', `Copy ${letter}: ${name}`);
    setText(this.find('.letter'), letter);
    setText(this.find('.title'), name);
    this.root.style.setProperty('--own', colours().panels[this.place]);
    if (SETUP.live) updatePanel(this, panel);
  }

  /** Paint this copy at the present day, or say how far it is computed. */
  paint(panel, now) {
    this.root.style.setProperty('--own', colours().panels[this.place]);
    this.showBusy(panel);
    if (!ready(panel)) return this.clear();
    const { recording } = panel, { header } = recording, { picked } = player, mine = picked && picked.place === this.place ? picked : {};
    recording.moveTo(player.day);
    this.picture.fit(header);
    const first = header.columns.length - header.bundles.length, means = {};
    for (const region of header.regions) means[region.id] = recording.get(`activity ${region.id}`);
    this.picture.paint(colours(), {
      activity: recording.activity, strengths: recording.now.subarray(first), means, neuron: mine.neuron ?? null, band: mine.band,
      region: mine.region, pointAt: player.pointAt && player.pointAt.place === this.place ? player.pointAt.name : null,
    });
    this.paintBadge(recording);
    this.find('.stress-badge').hidden = !recording.stressedOn(player.day);
    if (mine.key) this.paintDetail(recording, mine);
    if (!player.playing || now - (this.listed || 0) > 400) { this.listed = now; this.paintNumbers(recording, panel); }
  }

  clear() {
    if (this.picture.layout) { this.picture.layout = null; this.net.width = this.net.clientWidth; } // an empty canvas
    this.find('.badge').replaceChildren();
    delete this.root.dataset.recovery;
    this.find('.numbers div').replaceChildren();
  }

  showBusy(panel) {
    const busy = this.find('.busy'), day = player.progress.get(panel.key);
    const behind = ready(panel) && !panel.recording.done && panel.recording.lastDay < player.day - 1e-6;
    const text = !ready(panel) ? (day === undefined ? 'drawing the patient …' : `simulating the weeks of stress: day ${Math.round(day)} …`.replace('-', '−'))
      : behind ? `computing day ${Math.floor(panel.recording.lastDay)} of ${Math.round(player.day)} …` : '';
    busy.hidden = !text || !!this.failed;
    setText(busy, text);
  }

  paintBadge(recording) {
    const value = recording.get('recovery'), free = recording.header.notStuck, badge = this.find('.badge'), { name, weaker } = recording.header.readout;
    const shown = free ? recording.get('connectivity') : value;
    const why = free ? 'never stuck' : value < -0.005 ? `${weaker ? 'weaker' : 'stronger'} than on day 0` : value > 1.005 ? `${weaker ? 'stronger' : 'weaker'} than in health` : '';
    const key = `${percent(shown)} ${why}`;
    this.root.dataset.recovery = value;
    if (this.badged === key && badge.firstChild) return;
    this.badged = key;
    badge.innerHTML = `${free ? name : 'recovery'} <b>${percent(shown)}</b>${why ? ` <small>${why}</small>` : ''}`;
  }

  clicked(event) {
    const box = this.net.getBoundingClientRect(), { layout } = this.picture;
    const found = layout && whatIsAt(layout, event.clientX - box.left, event.clientY - box.top);
    pick(found ? { ...found, place: this.place, key: this.panel.key } : null);
  }

  showDetail(picked) {
    this.find('.detail').hidden = !picked;
    if (picked) this.offerLesion(picked);
    this.detailFor = null;
  }

  /** A region can be silenced and a connection cut, in the live page. */
  offerLesion({ region, band }) {
    const { header } = player.recordings.get(this.panel.key), button = this.find('.lesion');
    this.lesion = region !== undefined ? ['silence', header.regions[region].id] : band !== undefined ? ['cut', header.bundles[band].id] : null;
    button.hidden = !this.lesion;
    setText(button, region !== undefined ? 'Silence this region' : 'Cut this connection');
  }

  /** Numbers and a curve of the neuron, region or connection that is chosen. */
  paintDetail(recording, picked) {
    const text = this.find('.detail div'), { header } = recording, fixed = x => x.toFixed(2);
    if (picked.neuron !== undefined) {
      const population = header.populations.find(p => picked.neuron >= p.first && picked.neuron < p.first + p.count);
      const healthy = recording.healthyHz[picked.neuron] / 100, [x, bdnf, trkb] = [0, 1, 2].map(k => recording.neuronNow(picked.neuron, k));
      this.write(text, `neuron ${picked.neuron}`, `${CELL_NAMES[population.cells]} neuron ${picked.neuron - population.first}, ${header.regions[population.region].name}`,
        `fires at ${fixed(x * healthy)} Hz (healthy ${fixed(healthy)} Hz); BDNF ${fixed(bdnf)}, TrkB ${fixed(trkb)} (healthy 1)`);
      this.paintCurve(recording, neuronSeries(recording, picked.neuron), 'activity', 'activity over time');
    } else if (picked.band !== undefined) {
      const bundle = header.bundles[picked.band], column = `strength ${bundle.id}`;
      this.write(text, column, bundle.id.replace('>', ' → '), `strength ${percent(recording.get(column))} of health`);
      this.paintCurve(recording, null, column, 'strength over time, all copies');
    } else {
      const region = header.regions[picked.region], column = `activity ${region.id}`;
      const [x, serotonin, bdnf] = ['activity', 'serotonin', 'bdnf'].map(word => recording.get(`${word} ${region.id}`));
      this.write(text, column, `${region.id}: ${region.name}`, `activity ${percent(x)}, serotonin ${percent(serotonin)}, BDNF ${percent(bdnf)} of health`);
      this.paintCurve(recording, null, column, 'mean activity over time, all copies');
    }
  }

  write(host, name, title, text) {
    if (this.detailFor !== name) { this.detailFor = name; host.innerHTML = '<b></b><p></p>'; }
    setText(host.firstElementChild, title); setText(host.lastElementChild, text);
  }

  paintCurve(recording, series, column, label) {
    const canvas = this.find('.detail canvas'), ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight, pal = colours();
    canvas.setAttribute('aria-label', label);
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
    const ctx = canvas.getContext('2d'), data = curveData();
    if (series) data.panels = [{ recording: series, place: this.place }];
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    const plot = { column, range: [0, series ? 2.6 : 1.6], marks: [[0, '0 %'], [0.5, '50 %'], [1, '100 %'], ...(series ? [[2, '200 %']] : [])], dashed: 1, x: 42, y: 8, w: width - 54, h: height - 26, days: true };
    drawAxes(ctx, plot, pal, data); drawLines(ctx, plot, pal, data, player.day); drawPresent(ctx, plot, pal, data);
  }

  /** The picture as two tables; their buttons choose regions and connections without a mouse. */
  paintNumbers(recording, panel) {
    const { header } = recording;
    this.net.setAttribute('aria-label', `Circuit of copy ${panel.letter}, ${panel.title}. ${this.find('.badge').textContent}. Tables of all numbers are below, under Numbers.`);
    if (!this.find('.numbers').open) return;
    const host = this.find('.numbers div');
    if (this.tablesFor !== recording.key || !host.firstChild) { this.tablesFor = recording.key; host.replaceChildren(...this.tables(header)); }
    const cells = host.querySelectorAll('td');
    let k = 0;
    for (const region of header.regions) for (const word of ['activity', 'serotonin', 'bdnf']) setText(cells[k++], percent(recording.get(`${word} ${region.id}`)));
    for (const bundle of header.bundles) setText(cells[k++], percent(recording.get(`strength ${bundle.id}`)));
  }

  tables(header) {
    const table = (caption, heads, rows) => {
      const made = document.createElement('table');
      made.innerHTML = `<caption></caption><thead><tr>${heads.map(() => '<th scope="col"></th>').join('')}</tr></thead><tbody></tbody>`;
      setText(made.caption, caption);
      heads.forEach((head, k) => setText(made.tHead.rows[0].cells[k], head));
      for (const [name, picked] of rows) {
        const row = made.tBodies[0].insertRow(), first = document.createElement('th'), button = document.createElement('button');
        first.scope = 'row'; button.type = 'button'; setText(button, name); first.append(button); row.append(first);
        button.addEventListener('click', () => pick({ ...picked, place: this.place, key: this.panel.key }));
        for (let k = 1; k < heads.length; k++) row.insertCell();
      }
      return made;
    };
    return [
      table('Regions (100 % = healthy)', ['Region', 'Activity', 'Serotonin', 'BDNF'], header.regions.map((region, k) => [region.id, { region: k }])),
      table('Connections (100 % = healthy)', ['Connection', 'Strength'], header.bundles.map((bundle, k) => [bundle.id.replace('>', ' → '), { band: k }])),
      this.neuronChooser(header),
    ];
  }

  neuronChooser(header) {
    const label = document.createElement('label'), input = document.createElement('input');
    Object.assign(input, { type: 'number', min: 0, max: header.neurons - 1 });
    label.append(`Neuron (0 to ${header.neurons - 1}) `, input);
    input.addEventListener('change', () => {
      const neuron = Math.round(+input.value);
      if (input.value !== '' && neuron >= 0 && neuron < header.neurons) pick({ neuron, place: this.place, key: this.panel.key });
    });
    return label;
  }
}

const CELL_NAMES = ['pyramidal', 'inter', 'serotonergic', 'projection', 'noradrenergic'];

/** One neuron's activity in the form of a recording with one column. */
function neuronSeries(recording, neuron) {
  const held = recording.series;
  if (held && held.neuron === neuron && held.days.length === recording.days.length) { held.now[1] = recording.neuronNow(neuron, 0); return held; }
  const values = recording.days.map((day, frame) => [day, recording.neuronAt(frame, neuron, 0)]);
  const series = Object.create(recording, Object.fromEntries(Object.entries({ neuron, values, days: recording.days.slice(), position: { activity: 1 }, now: [0, recording.neuronNow(neuron, 0)] })
    .map(([name, value]) => [name, { value, writable: true }])));
  return recording.series = series;
}
