/* Start: connect the controls, then show the recordings of this file, or ask the server for them. */

/** Show one of the plans that this file contains. */
function showOf(query) { return SETUP.shows.find(show => show.query === query) || SETUP.shows[0]; }

async function startFile() {
  document.documentElement.classList.add('file');
  setShow(SETUP.shows[0], { day: 0 });
  for (const [key, { header, frames }] of Object.entries(SETUP.recordings)) {
    addHeader({ key, ...header });
    addFrames(await unpack(frames));
  }
  const choose = story => { leaveStory(); setShow(showOf(story.query), { day: story.scenes[0].start }); startStory(story); };
  listStories(SETUP.stories, choose);
  if (SETUP.stories.length && SETUP.shows.length === SETUP.stories.length) choose(SETUP.stories[0]);
}

connectControls();
connectWhatIf();
if (SETUP.live) startLive(); else startFile();

$('app').player = player; // for the console, and for tests
Object.assign($('app'), { colours, landscape, meanFieldRun });
