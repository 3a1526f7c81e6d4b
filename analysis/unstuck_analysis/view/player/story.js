/* Stories: scenes that play one after another, each with a caption and something to look at. */

const HOLD_S = 1.2;

/** Start a story whose plan is shown. */
function startStory(story) {
  player.story = { ...story, scene: 0, holding: null };
  $('story').hidden = false;
  showLandscape(story.landscape);
  $('hint').hidden = true;
  setText($('story-title'), story.title);
  setText($('story-command'), story.command);
  player.whole = story.scenes.some(scene => scene.start < 0);
  stale();
  $('play').focus();
  playScene(0);
  if (player.opening && !player.opening.playing) resumeStory(false);
}

/** Play one scene; without motion, show its end and wait for Next. */
function playScene(number, from = null) {
  const { story } = player, scene = story.scenes[number];
  clearTimeout(story.holding);
  Object.assign(story, { scene: number });
  setText($('story-place'), `${number + 1} of ${story.scenes.length}`);
  setText($('caption'), scene.caption);
  $('story-back').disabled = number === 0;
  $('story-next').disabled = number === story.scenes.length - 1;
  player.pointAt = scene.at ? { place: 'ABC'.indexOf(scene.copy), name: scene.at } : null;
  player.day = from ?? scene.start;
  if (calm.matches) { play(false); goTo(scene.to); return; }
  play(true, { rate: (scene.to - scene.start) / scene.seconds, end: scene.to, onEnd: () => holdScene(number) });
}

/** Pause at the end of a scene long enough to read, then go on. */
function holdScene(number) {
  const { story } = player, rest = Math.max(HOLD_S, story.scenes[number].caption.length / 25 - story.scenes[number].seconds);
  if (number + 1 < story.scenes.length) story.holding = setTimeout(() => playScene(number + 1), 1000 * rest);
}

/** The Play button inside a story: go on with the scene, or pause it. */
function resumeStory(on) {
  const { story } = player, scene = story.scenes[story.scene];
  clearTimeout(story.holding);
  if (!on) play(false);
  else if (player.day >= scene.to - 1e-9) playScene(story.scene + 1 < story.scenes.length ? story.scene + 1 : 0);
  else playScene(story.scene, Math.max(scene.start, player.day));
}

function leaveStory() {
  if (!player.story) return;
  clearTimeout(player.story.holding);
  play(false);
  Object.assign(player, { story: null, pointAt: null, onEnd: null });
  setSpeed(+$('speed').value);
  $('story').hidden = true;
  showLandscape(false);
  wake();
}

/** List all stories in their dialog; choose(story) shows the plan of one and starts it. */
function listStories(stories, choose) {
  $('open-stories').hidden = !stories.length;
  for (const story of stories) {
    const item = document.createElement('li'), button = document.createElement('button'), text = document.createElement('p');
    button.type = 'button';
    setText(button, story.title); setText(text, story.summary);
    button.addEventListener('click', () => { $('stories').close(); choose(story); });
    item.append(button, text);
    $('story-list').append(item);
  }
  $('story-back').addEventListener('click', () => playScene(Math.max(0, player.story.scene - 1)));
  $('story-next').addEventListener('click', () => playScene(Math.min(player.story.scenes.length - 1, player.story.scene + 1)));
  $('story-leave').addEventListener('click', leaveStory);
}
