/* The connection to the server: plans are sent as links, recordings come back. Only in the live page. */

const live = { socket: null, number: 0, waiting: new Map(), query: '', retry: 0, next: null, changing: null };
const LETTERS = 'abc';
const UNCHANGED = () => ({ dose: '', give: [], stress: [], lesions: [] });
const offer = { treatments: [], drugs: [], asked: false, list: () => {} }; // filled when the first plan is shown

/** The link of a plan, as the server reads it. */
function queryOf({ seed, patient, neurons, panels }) {
  const link = new URLSearchParams({ seed, patient, neurons });
  panels.forEach((panel, k) => {
    const letter = LETTERS[k];
    link.append(letter, panel.treatment);
    if (panel.dose) link.append(`${letter}.dose`, panel.dose);
    for (const [hour, drug, dose] of panel.give) link.append(`${letter}.give`, `${hour} ${drug} ${dose}`.trim());
    for (const [hour, kind, name] of panel.lesions) link.append(`${letter}.${kind}`, `${hour} ${name}`);
    for (const [from, to] of panel.stress) link.append(`${letter}.stress`, `${from}-${to ?? ''}`);
  });
  return link.toString();
}

/** Send a message and wait for its answer; an error says why it was refused. */
function ask(message) {
  const id = ++live.number;
  return new Promise((resolve, reject) => {
    if (!live.socket || live.socket.readyState !== WebSocket.OPEN) { reject(new Error('there is no connection to the server')); return; }
    live.waiting.set(id, { resolve, reject });
    live.socket.send(JSON.stringify({ id, ...message }));
  });
}

/** Show a plan given as a link; strict: refuse it as a whole if a part of it is wrong. */
async function showPlan(query, { strict = false, day = null } = {}) {
  const have = [...player.recordings.values()].filter(recording => recording.done).map(recording => recording.key);
  const show = await ask({ show: query, strict, have });
  live.query = show.query;
  note(show.notes.join('  '));
  $('fault').hidden = true;
  for (const view of player.views) view.failed = false;
  setShow(show, { day: day ?? (show.day || player.day) });
  fillForms(show);
  if (window.top === window) history.replaceState(history.state, '', '?' + show.query);
  return show;
}

/** Change the plan. While one change is under way, only the last of those that follow is done. */
function change(edit, marks = {}) {
  return new Promise(resolve => {
    if (live.next) live.next.resolve(false);
    live.next = { edit, marks, resolve };
    if (!live.changing) live.changing = changeAll().finally(() => { live.changing = null; });
  });
}

async function changeAll() {
  while (live.next) {
    const { edit, marks, resolve } = live.next;
    live.next = null;
    resolve(await changeOnce(edit, marks));
  }
}

/** Do one change; what the server refuses is shown next to the control, and its text stays. */
async function changeOnce(edit, { error, field }) {
  const plan = structuredClone({ seed: player.show.seed, patient: player.show.patient, neurons: player.show.neurons, panels: player.show.panels });
  if (field) field.removeAttribute('aria-invalid');
  if (error) setText(error, '');
  try {
    edit(plan);
    await showPlan(queryOf(plan), { strict: true });
    return true;
  } catch (fault) {
    if (error) setText(error, fault.message); else note(fault.message);
    if (field) field.setAttribute('aria-invalid', 'true');
    return false;
  }
}

function connect() {
  clearTimeout(live.retry);
  const socket = live.socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/live`);
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('open', async () => {
    $('lost').hidden = true;
    try { await openFirst(); await loadOffer(); } catch (fault) { note(fault.message); }
  });
  socket.addEventListener('message', ({ data }) => { if (typeof data === 'string') take(JSON.parse(data)); else addFrames(data); });
  socket.addEventListener('close', () => {
    if (live.socket !== socket) return;
    for (const { reject } of live.waiting.values()) reject(new Error('the connection to the server was lost'));
    live.waiting.clear();
    $('lost').hidden = false;
    live.retry = setTimeout(connect, 1000);
  });
}

/** After connecting: the plan of the address, or again the one that was shown, on the same day. */
async function openFirst() {
  if (player.show) { await showPlan(live.query); return; }
  const story = SETUP.stories.find(one => one.name === SETUP.story);
  if (story && !location.search) { await chooseStory(story); return; }
  await showPlan(location.search.slice(1) || SETUP.usual);
}

/** Ask for everything that can be chosen: reading all those files takes the server about a second. */
async function loadOffer() {
  if (offer.asked) return;
  offer.asked = true;
  try { Object.assign(offer, await ask({ offer: true })); } catch (fault) { offer.asked = false; throw fault; }
  offer.treatments.slice(0, 3).forEach(([name], k) => { player.parked[k] ??= { treatment: name, ...UNCHANGED() }; });
  player.views.forEach(view => fillDrugs(view, view.panel));
  offer.list();
}

function take(message) {
  const { kind, id } = message, waiting = live.waiting.get(id);
  live.waiting.delete(id);
  if (kind === 'refused') { if (waiting) waiting.reject(new Error(message.why)); else note(message.why); }
  else if (kind === 'header') { addHeader(message); wake(); }
  else if (kind === 'progress') { player.progress.set(message.key, message.day); wake(); }
  else if (kind === 'fault') showFault(message);
  else if (waiting) waiting.resolve(message);
}

function showFault({ copy, why }) {
  player.views[copy].failed = true;
  setText($('fault'), `Copy ${'ABC'[copy]}: the model stopped: ${why}`);
  $('fault').hidden = false;
  wake();
}

async function chooseStory(story) {
  leaveStory();
  player.opening = { playing: true };
  $('play').focus(); // space pauses the story, also while it loads
  try { await showPlan(story.query, { day: story.scenes[0].start }); startStory(story); } catch (fault) { note(fault.message); }
  player.opening = null;
}

function fillForms({ seed, patient, neurons, panels }) {
  Object.entries({ seed, patient, neurons }).forEach(([id, value]) => { $(id).value = value; });
  $('copies').value = panels.length;
  panels.forEach((panel, k) => { player.parked[k] = panel; });
}

/** The next full hour, at which what is done by hand begins. */
function nextHour() {
  if (player.day < 0) throw new Error('before day 0 all copies have the same past: go to day 0 first');
  return Math.ceil(+(player.day * 24).toFixed(6));
}

/** Connect the controls of one copy. */
function connectPanel(view) {
  const { find } = view, error = find('.error');
  const edit = (act, field) => change(plan => act(plan.panels[view.place]), { error, field });
  find('.treatment').addEventListener('click', () => openChooser(view));
  find('.dose-text').addEventListener('change', event => edit(panel => { panel.dose = event.target.value.trim(); }, event.target));
  find('.give').addEventListener('submit', async event => {
    event.preventDefault();
    const amount = find('.amount');
    if (await edit(panel => panel.give.push([nextHour(), find('.drug').value, amount.value.trim()]), amount)) amount.value = '';
  });
  find('.drug').addEventListener('change', () => setAmountHint(view));
  find('.lesion').addEventListener('click', () => edit(panel => panel.lesions.push([nextHour(), ...view.lesion])));
  find('.stress-now').addEventListener('click', () => edit(panel => {
    const open = panel.stress.find(([, to]) => to === null);
    if (!open) panel.stress.push([nextHour(), null]);
    else if (nextHour() > open[0]) open[1] = nextHour();
    else panel.stress.splice(panel.stress.indexOf(open), 1);
  }));
}

/** Fill the controls of one copy from its plan; text that was refused stays. */
function updatePanel(view, panel) {
  const { find } = view, { letter } = panel;
  setText(find('.treatment'), panel.title);
  find('.treatment').setAttribute('aria-label', `Treatment of copy ${letter}: ${panel.title}`);
  find('.dose').hidden = !panel.usual;
  const dose = find('.dose-text');
  if (!dose.hasAttribute('aria-invalid') || view.shown !== panel.treatment) { dose.value = panel.dose; dose.removeAttribute('aria-invalid'); }
  Object.assign(dose, { placeholder: panel.usual });
  fillDrugs(view, panel);
  const open = panel.stress.some(([, to]) => to === null), stress = find('.stress-now');
  setText(stress, open ? 'End stress' : 'Add stress');
  stress.classList.toggle('on', open);
  for (const [selector, name] of [['.dose-text', 'Dose'], ['.drug', 'Drug to give now'], ['.amount', 'Dose to give now'], ['.give-now', 'Give now'], ['.stress-now', open ? 'End stress' : 'Add stress']]) {
    find(selector).setAttribute('aria-label', `${name}, copy ${letter}`);
  }
  listByHand(view, panel);
  view.shown = panel.treatment;
}

function fillDrugs(view, panel) {
  const select = view.find('.drug'), chosen = select.value, drugs = [...panel.drugs, ...offer.drugs];
  view.drugs = drugs;
  select.replaceChildren(...drugs.map(([name, title]) => new Option(title, name)));
  view.find('.give-now').disabled = !drugs.length; // until the server has read the drugs
  const known = drugs.map(([name]) => name);
  select.value = [view.shown === panel.treatment ? chosen : '', panel.drug, ...player.show.panels.map(p => p.drug), known[0]].find(name => known.includes(name));
  setAmountHint(view);
}

function setAmountHint(view) {
  const drug = view.drugs.find(([name]) => name === view.find('.drug').value);
  view.find('.amount').placeholder = drug ? drug[2] : '';
}

/** Doses and stress by hand, each with a button that takes it back. */
function listByHand(view, panel) {
  const when = hour => clockText(hour / 24), items = [
    ...panel.give.map(([hour, drug, dose], k) => [`${drug}${dose ? ` ${dose}` : ''}, ${when(hour)}`, p => p.give.splice(k, 1)]),
    ...panel.lesions.map(([hour, kind, name], k) => [`${name.replace('>', '→')} ${kind === 'cut' ? 'cut' : 'silenced'}, ${when(hour)}`, p => p.lesions.splice(k, 1)]),
    ...panel.stress.map(([from, to], k) => [`stress, ${when(from)}${to === null ? ' on' : ` to ${when(to)}`}`, p => p.stress.splice(k, 1)]),
  ];
  if (panel.changed) items.push(['Save this treatment (YAML)', null]);
  view.find('.by-hand').replaceChildren(...items.map(([text, undo]) => {
    const item = document.createElement('li'), button = document.createElement('button');
    button.type = 'button';
    if (undo) { item.append(text, ' ', button); setText(button, 'Undo'); button.setAttribute('aria-label', `Undo ${text}, copy ${panel.letter}`); } else { item.append(button); setText(button, text); }
    button.addEventListener('click', () => undo ? change(plan => undo(plan.panels[view.place]), { error: view.find('.error') }) : saveFile({ scenario: live.query, copy: view.place }));
    return item;
  }));
}

/** A searchable list of all treatments, in groups. */
function openChooser(view) {
  const list = offer.list = () => {
    const wanted = $('search').value.trim().toLowerCase(), groups = new Map();
    for (const [name, title, group] of offer.treatments) {
      if (`${name} ${title} ${group}`.toLowerCase().includes(wanted)) groups.set(group, [...(groups.get(group) || []), [name, title]]);
    }
    $('choices').replaceChildren(...[...groups].sort(([a], [b]) => (b === 'No drug') - (a === 'No drug') || a.localeCompare(b)).flatMap(([group, treatments]) => {
      const title = document.createElement('h3');
      setText(title, group);
      return [title, ...treatments.map(([name, text]) => {
        const button = document.createElement('button');
        button.type = 'button'; button.value = name; setText(button, text);
        button.addEventListener('click', () => { $('chooser').close(); leaveStory(); change(plan => { plan.panels[view.place] = { ...plan.panels[view.place], treatment: name, ...UNCHANGED() }; }, { error: view.find('.error') }); });
        return button;
      })];
    }));
  };
  $('search').oninput = list;
  $('search').value = '';
  setText($('chooser-title'), `Choose the treatment of copy ${view.panel.letter}`);
  list();
  $('chooser').showModal();
}

async function saveFile(message) {
  try { const { name, text } = await ask(message); saveBlob(new Blob([text], { type: 'text/plain' }), name); } catch (fault) { note(fault.message); }
}

async function copyLink() {
  const url = new URL(location.href);
  url.search = live.query + (player.day > 0 ? `&day=${+player.day.toFixed(2)}` : '');
  try { await navigator.clipboard.writeText(url.href); } catch { /* shown below in any case */ }
  note(`Link: ${url.href}`);
}

/** Connect the controls that need the server, and open the connection. */
function startLive() {
  player.parked = [];
  $('patient-form').addEventListener('submit', async event => {
    event.preventDefault();
    leaveStory();
    const wanted = Object.fromEntries(['seed', 'patient', 'neurons'].map(id => [id, $(id).value.trim()]));
    const fresh = plan => { Object.assign(plan, wanted); for (const panel of plan.panels) Object.assign(panel, { ...UNCHANGED(), dose: panel.dose }); };
    if (await change(fresh, { error: $('patient-error') })) { $('set-up').open = false; jump(0, false); }
  });
  $('copies').addEventListener('change', event => change(plan => {
    const kept = player.parked.slice(); // copies that were hidden keep their treatment
    plan.panels.forEach((panel, k) => { kept[k] = panel; });
    plan.panels = kept.slice(0, +event.target.value);
  }));
  $('reset').addEventListener('click', () => {
    leaveStory();
    jump(0, false); // before the server answers: a step that is taken meanwhile counts
    change(plan => { for (const panel of plan.panels) Object.assign(panel, { ...UNCHANGED(), dose: panel.dose }); });
  });
  $('copy-link').addEventListener('click', copyLink);
  $('save-page').addEventListener('click', () => saveFile({ export: live.query }));
  $('connect-now').addEventListener('click', connect);
  listStories(SETUP.stories, chooseStory);
  note(SETUP.notes.join('  '));
  connect();
}
