/**
 * Sites of `web` in a real browser: what a page trains has the bytes of what Node trains, also if
 * the page is closed in the middle, and nothing leaves the page.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, dirname, extname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { unzipSync, zipSync } from 'fflate';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { packageRoot } from '../../src/util/root.js';
import { digestsOfNode as digestsOfRun, tryPages } from '../soak/pages.js';
import {
  attributes,
  checkLooks,
  chromiumMissing,
  firefoxMissing,
  ISOLATED,
  openFirefox,
  PATIENCE,
  part,
  startChromium,
} from '../support/browser.js';
import { comesTrue } from '../support/programs.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

const missing = chromiumMissing();
const steps = Array.from({ length: 400 }, (_, row) => {
  const group = Math.floor(row / 8);
  const noise = ((row * 7919) % 1000) / 1000;
  return `${group},${((group % 2) + noise).toFixed(3)},${(noise * 2 - 1).toFixed(3)},${group % 2 ? 'yes' : 'no'}`;
});
const config = work.file(
  'steps.yaml',
  `version: 1
name: steps
# read relative to this file
dataset:
  kind: csv
  path: data.csv
  sequence: { group: g }
  features: [a, b]
  target: class
  target_kind: class
  test: { fraction: 0.3 }
model: { cell: lstm, hidden_size: 16 }
loss: { kind: cross_entropy }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { num_epochs: 12, batch_size: 5 }
checkpoint: { keep: { last: 3 }, every: { steps: 20 } }
`,
);
writeFileSync(join(dirname(config), 'data.csv'), ['g,a,b,class', ...steps].join('\n'));
const PARQUET = `version: 1
name: parquet
dataset:
  kind: parquet
  path: 'readings #1, 50%.parquet'
  sequence: { group: recording, order: time }
  features: [a, b, c]
  target: label
  target_kind: class
  test_fraction: 0.25
model: { cell: gru, hidden_size: 4 }
loss: { kind: cross_entropy }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { num_epochs: 2, batch_size: 4 }
`;
const TONES = `version: 1
name: tones
dataset:
  kind: audio
  path: tones
  pattern: "{pitch}_{take}"
  target: pitch
  target_kind: class
  features: { kind: log_mel, bands: 8 }
  test_fraction: 0.25
model: { cell: gru, hidden_size: 4, head: { from: mean } }
loss: { kind: cross_entropy }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { num_epochs: 2, batch_size: 4 }
`;
const site = work.folder();

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
};

/** Before the text of a thread, each turn after about 40 steps waits: half a minute in all. */
const SLOW_THREAD = `const { postMessage } = MessagePort.prototype;
let turns = 0;
MessagePort.prototype.postMessage = function (message) {
  setTimeout(() => postMessage.call(this, message), ++turns < 60 ? 20 : 1000);
};
`;

/**
 * Trains as the page does, loads itself again in the middle of training, and sends what it has in
 * the end, for a browser that the tests cannot ask.
 */
const REPORTER = `<!DOCTYPE html><script src="/trainer.js"></script><script src="/site.js"></script><script>
const tell = body => fetch('/told', { method: 'POST', body: JSON.stringify(body) });
const isFirst = !sessionStorage.began;
const trainer = new Worker(URL.createObjectURL(new Blob([isFirst ? ${JSON.stringify(SLOW_THREAD)} : '', cellrunTrainer])));
trainer.onerror = ({ message }) => tell(message);
const text = cellrunSite.texts['steps.yaml'];
let digests = {}, resumed = false;
trainer.onmessage = ({ data }) => {
  if (data.kind === 'problems') tell(data.problems);
  if (data.kind === 'report') {
    digests = data.digests;
    if (isFirst && data.report.checkpoints.some(({ step }) => step === 40)) {
      sessionStorage.began = 'yes';
      location.reload();
    }
  }
  if (data.kind !== 'state') return;
  if (data.state === 'ready') trainer.postMessage({ kind: 'train', config: 'steps.yaml', text });
  if (data.state === 'paused') trainer.postMessage({ kind: 'resume' });
  resumed ||= data.state === 'paused';
  if (data.state === 'ended') tell({ resumed, digests: Object.values(digests) });
};
trainer.postMessage({ kind: 'open', site: cellrunSite, address: location.origin + '/' });
</script>`;

let told: (body: unknown) => void = () => {};

let headers: Readonly<Record<string, string>> = {};

/** Serves the site; any server would do. */
const server = createServer(async (request, response) => {
  const { url = '/' } = request;
  if (url === '/told') {
    const body = Buffer.concat(await request.toArray()).toString();
    response.end();
    return told(JSON.parse(body));
  }
  if (url === '/reporter') return response.writeHead(200, { 'Content-Type': 'text/html' }).end(REPORTER);
  const file = join(site, url === '/' ? 'index.html' : decodeURIComponent(url));
  if (!existsSync(file)) response.writeHead(404).end();
  else {
    const type = { 'Content-Type': TYPES[extname(file)] ?? '' };
    response.writeHead(200, { ...headers, ...type }).end(readFileSync(file));
  }
});
t.teardown(() => server.close());

/** Puts `SLOW_THREAD` before the text of threads. */
const SLOWED = `const Whole = Blob;
Blob = class extends Whole {
  constructor(parts, options) {
    super(options.type === 'text/javascript' ? [${JSON.stringify(SLOW_THREAD)}, ...parts] : parts, options);
  }
};`;

const address = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

async function openSite(context: BrowserContext, before = '') {
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  await page.addInitScript(before);
  const said: string[] = [];
  const requested: string[] = [];
  page.on('console', message => said.push(message.text()));
  page.on('pageerror', error => said.push(error.message));
  page.on('request', request => requested.push(request.url()));
  await page.goto(address());
  return { page, said, requested };
}

const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click();
const reaches = (page: Page, state: string) =>
  page.locator(`[data-state=${state}]`).waitFor({ timeout: PATIENCE });

/** Trains to the end, also if the page shows a run that ended; the state between may be short. */
async function trainsToTheEnd(page: Page): Promise<void> {
  const isTraining = page.evaluate(`new Promise(done => {
    const status = document.querySelector('[data-state]');
    new MutationObserver(() => status.dataset.state === 'training' && done()).observe(status, { attributes: true });
  })`);
  await press(page, 'Train');
  await isTraining;
  await reaches(page, 'ended');
}

/** Trains a slowed page until it lists a checkpoint of step 40 or later. */
async function trainsFor40Steps(page: Page): Promise<void> {
  await press(page, 'Train');
  const step = part(page, 'Checkpoints').getByText(/^([4-9]\d|\d{3,})$/);
  await step.first().waitFor();
}

const digestsOn = (page: Page) => page.locator('.digests code').allInnerTexts();

/** What the page says of what it does, and what went wrong. */
const textOf = async (page: Page, selector: string) => (await page.locator(selector).textContent()) ?? '';
const statusOf = (page: Page) => textOf(page, 'p[role=status]');
const failuresOn = (page: Page) => textOf(page, '#failures');
const stepsOn = async (page: Page) =>
  Number(/([\d,]+) steps,/.exec(await textOf(page, 'main'))?.[1].replaceAll(',', '') ?? 0);

/** Drops a file on the page. */
async function drop(page: Page, name: string, content: Uint8Array | string): Promise<void> {
  const dataTransfer = await page.evaluateHandle(
    `(() => {
      const dropped = new DataTransfer();
      const content = Uint8Array.from(atob('${Buffer.from(content).toString('base64')}'), one => one.charCodeAt(0));
      dropped.items.add(new File([content], '${name}'));
      return dropped;
    })()`,
  );
  await page.dispatchEvent('#page > div', 'drop', { dataTransfer });
}

/** SHA-256 of the checkpoints of the run that Node trains. */
const digestsOfNode = (...settings: string[]) => digestsOfRun(work, config, ...settings);

async function archiveOf(page: Page): Promise<Buffer> {
  const download = page.waitForEvent('download');
  await press(page, 'Download the run');
  const archive = join(work.folder(), 'run.zip');
  await (await download).saveAs(archive);
  return readFileSync(archive);
}

/** The directory of the run, unpacked. */
async function downloaded(page: Page): Promise<string> {
  const folder = work.folder();
  let directory = folder;
  for (const [name, bytes] of Object.entries(unzipSync(await archiveOf(page)))) {
    directory = join(folder, name.split('/')[0]);
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  return directory;
}

/** The lines of a log, without what two runs in the same place do not share either. */
function logWithoutTimes(run: string): string[] {
  const text = readFileSync(join(run, 'log.jsonl'), 'utf8');
  const names = 'time|run_id|\\w+_s|\\w*ms\\w*|step_ratio|summary_sha256';
  return text.replaceAll(new RegExp(`"(${names})":("[^"]*"|[\\d.e-]+)`, 'g'), '"$1":0').split('\n');
}

/** The last checkpoint, without its header, which names a config that was changed. */
function lastTensors(run: string): Buffer {
  const { checkpoints } = JSON.parse(readFileSync(join(run, 'checkpoints/index.json'), 'utf8'));
  const bytes = readFileSync(join(run, 'checkpoints', checkpoints.at(-1).file));
  return bytes.subarray(8 + bytes.readUInt32LE(0));
}

async function isReviewed(t: Test, page: Page): Promise<void> {
  const { code, stdout, stderr } = await work.cellrun('review', await downloaded(page));
  t.equal(code, 0, stdout + stderr);
}

/** Where a browser is told what to do besides what the tests of pages need. */
const DEBUG_PORT = 9333;

t.test('a page trains', { skip: missing ?? false }, async t => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const rate = 'optimizer.learning_rate=0.0001:0.1:log';
  const slider = ['--slider', 'training.num_epochs=1:40', '--slider', rate];
  const shorter = ['--set', 'training.num_epochs=2', '--output', join(dirname(config), 'runs')];
  const { stdout } = await work.cellrun('run', config, ...shorter, '--json');
  const weights = relative(dirname(config), JSON.parse(stdout).directory);
  const continued = join(dirname(config), 'continued.yaml');
  writeFileSync(continued, `extends: steps.yaml\nmodel: { init_from: ${weights} }\n`);
  const parquet = join(dirname(config), 'parquet.yaml');
  const fixture = join(packageRoot, 'test/fixtures/parquet/readings-snappy.parquet');
  copyFileSync(fixture, join(dirname(config), 'readings #1, 50%.parquet'));
  writeFileSync(parquet, PARQUET);
  const tones = join(dirname(config), 'tones.yaml');
  writeFileSync(tones, TONES);
  mkdirSync(join(dirname(config), 'tones'));
  for (let take = 0; take < 12; take++) {
    const pitch = take % 2 ? 900 : 300;
    writeFileSync(join(dirname(config), 'tones', `${pitch}_${take}.wav`), wav(tone(pitch + take, 1600)));
  }
  const configs = [config, continued, parquet, tones];
  const written = await work.cellrun('web', ...configs, '--output', site, ...slider);
  t.equal(written.code, 0, written.stderr);
  const lost = join(dirname(config), 'lost.yaml');
  writeFileSync(lost, 'extends: steps.yaml\nmodel: { init_from: nowhere }\n');
  t.match(await work.cellrun('web', lost, '--output', work.folder()), {
    code: 2,
    stderr: /lost\.yaml:2:\d+: .*nowhere does not exist/,
  });
  writeFileSync(lost, 'extends: steps.yaml\ndataset: { path: nowhere.csv, obtain: asking }\n');
  t.match(await work.cellrun('web', lost, '--output', work.folder()), {
    code: 2,
    stderr: /lost\.yaml:2:\d+: .*nowhere.csv: the file does not exist[\s\S]*by: asking/,
  });
  const expected = await digestsOfNode();
  t.ok(expected.length > 1);
  const browser: Browser = await startChromium(`--remote-debugging-port=${DEBUG_PORT}`);
  t.teardown(() => browser.close());
  const context = await browser.newContext({ acceptDownloads: true });
  // for the tests that need a run, not one of their own
  const { page, said, requested } = await openSite(context);

  await t.test('to the bytes of Node', async t => {
    await reaches(page, 'ready');
    t.match(await page.inputValue('#config'), /relative to this file/, 'the config as it is');
    await press(page, 'Train');
    await reaches(page, 'ended');
    t.same(await digestsOn(page), expected);
    const origin = new URL(page.url()).origin;
    t.same(
      requested.filter(url => !url.startsWith(`${origin}/`) && !url.startsWith(`blob:${origin}/`)),
      [],
    );
  });

  await t.test('the log has the bytes of Node, but for times and digests of them', async t => {
    const { stdout } = await work.cellrun('run', config, '--portable', '--output', work.folder(), '--json');
    const [ours, theirs] = [await downloaded(page), JSON.parse(stdout).directory].map(logWithoutTimes);
    t.ok(ours.length > 10);
    t.same(ours, theirs);
  });

  await t.test('the run is one for ./run', t => isReviewed(t, page));

  await t.test('mistakes are under their lines, as the command line shows them', async t => {
    const text = await page.inputValue('#config');
    await page.fill('#config', text.replace('cell: lstm', 'cell: lstn'));
    await page.locator('#problems li').waitFor();
    const broken = join(dirname(config), 'broken.yaml');
    writeFileSync(broken, text.replace('cell: lstm', 'cell: lstn'));
    const { stderr } = await work.cellrun('validate', broken);
    const shown = await page.locator('#problems').textContent();
    const [, place, message] = /:(\d+:\d+): (?:error: )?(.*)/.exec(stderr) ?? [];
    t.match(shown ?? '', `line ${place.replace(':', ', column ')}`);
    t.match(shown ?? '', message);
    t.ok(await page.getByRole('button', { name: 'Train', exact: true }).isDisabled());
    t.same(await attributes(page.locator('#config'), 'aria-invalid'), ['true']);
    await page.fill('#config', `repeat: 2\n${text}`);
    await page.getByText('trains several runs').waitFor();
    t.match(await textOf(page, '#problems'), /^line 1, column 1: `repeat` .* a page trains one/);
    await page.fill('#config', text);
  });

  await t.test('each config keeps its edits, and a dropped one is edited', async t => {
    const text = await page.inputValue('#config');
    const file = page.getByLabel('File');
    await page.fill('#config', `${text}# edited`);
    await drop(page, 'parquet.yaml', PARQUET.replace('name: parquet', 'name: dropped'));
    await comesTrue(async () => (await page.inputValue('#config')).includes('dropped'));
    t.equal(await file.inputValue(), 'parquet.yaml');
    await file.selectOption('steps.yaml');
    t.equal(await page.inputValue('#config'), `${text}# edited`);
    await page.fill('#config', text);
  });

  await t.test('keys and values are offered where they belong', async t => {
    const text = await page.inputValue('#config');
    await page.fill('#config', `${text}gat`);
    await press(page, 'gates:');
    t.equal(await page.inputValue('#config'), `${text}gates: `);
    await page.keyboard.press('Control+z');
    t.equal(await page.inputValue('#config'), `${text}gat`, 'as if it was typed');
    const above = text.replace(/^optimizer.*\n/m, '');
    await page.fill('#config', `${above}optimizer: { kind: rms`);
    await press(page, 'rmsprop');
    t.equal(await page.inputValue('#config'), `${above}optimizer: { kind: rmsprop`);
    await page.fill('#config', text);
  });

  await t.test('explained, it shows what the layers compute, and is readable', async t => {
    await press(page, 'Explain');
    const inside = part(page, 'Inside the layers');
    await inside.waitFor();
    await inside.locator('select').nth(1).selectOption('i of layer 0');
    await inside.getByRole('slider').fill('3');
    t.match((await inside.locator('output').textContent()) ?? '', /^4 of \d+/);
    const canvas = inside.locator('canvas').first();
    t.equal(await canvas.getAttribute('height'), '16', 'a row for each unit');
    t.ok(((await canvas.boundingBox())?.height ?? Infinity) <= 128, 'few steps are not enlarged');
    t.notMatch(await textOf(page, 'main'), /peak memory|gpu\.js/, 'what a page does not have');
    await checkLooks(t, page, 'explained');
  });

  await t.test('a dropped file that does not fit is an error at its place', async t => {
    const table = readFileSync(join(dirname(config), 'data.csv'), 'utf8');
    const damaged = gzipSync(table);
    damaged[damaged.length - 6] ^= 1;
    const bad: readonly (readonly [content: string | Buffer, message: RegExp])[] = [
      [
        table.replace('g,a,b', 'g,a,x'),
        /^line 8, column 17: data\.csv has no column "b"[\s\S]*one of g, a, x, class/,
      ],
      [table.replace(/\n1,[^,]*/, '\n1,many'), /^data\.csv:10:3: the cell is not a number[\s\S]*got: "many"/],
      [Buffer.from('89504e470d0a1a0a', 'hex'), /^data\.csv:1:1: the file is not UTF-8 text/],
      [damaged, /^data\.csv: the gzip stream is damaged \(incorrect data check\)/],
      [gzipSync(table).subarray(0, 500), /^data\.csv: the gzip stream ends too early/],
    ];
    for (const [content, message] of bad) {
      await drop(page, 'data.csv', content);
      await page.getByText('data.csv replaces the file of the site; it stays in this page').waitFor();
      await press(page, 'Train');
      await page.getByText('training stopped with an error').waitFor();
      t.match(await failuresOn(page), message);
    }
    await drop(page, 'data.csv', gzipSync(table));
    await page.getByText('data.csv replaces').waitFor();
    await trainsToTheEnd(page);
    t.equal(await failuresOn(page), '', 'a good one replaces it, also compressed');
  });

  await t.test('a run of a zip file is opened, stored and deleted; a damaged one is refused', async t => {
    const archive = await archiveOf(page);
    const flipped = Buffer.from(archive);
    flipped[flipped.indexOf('"event":"train.step"') + 9] ^= 1;
    const files = unzipSync(archive);
    const [id] = Object.keys(files)[0].split('/');
    const config = `${id}/config.resolved.yaml`;
    const bad: readonly (readonly [Uint8Array, RegExp])[] = [
      [Buffer.from('no zip'), /^run\.zip: this is not a complete zip archive/],
      [archive.subarray(0, archive.length / 2), /^run\.zip: this is not a complete zip archive/],
      [flipped, /^run\.zip: the member \S+\/log\.jsonl is damaged: its checksum differs/],
      [zipSync({ 'photo.png': files[config] }), /^run\.zip: the zip file contains no run/],
      [zipSync({ '../../runs/x/config.resolved.yaml': files[config] }), /contains no run/],
      [zipSync({ ...files, [config]: Buffer.from('model: 1') }), /config\.resolved\.yaml/],
    ];
    for (const [content, message] of bad) {
      await drop(page, 'run.zip', content);
      // not the one of the file before
      await page.locator('#failures li').filter({ hasText: message }).waitFor();
      t.same(await digestsOn(page), expected, 'the run before is still there');
    }
    page.on('dialog', dialog => void dialog.accept());
    // the other run of this page, and the one of the data that were dropped
    for (const state of ['ended', 'ready']) {
      await press(page, 'Delete the run');
      await page.locator(`[data-state=${state}]`).waitFor();
    }
    t.equal(await page.locator('section').count(), 0, 'nothing is left');
    await drop(page, 'run.zip', zipSync({ ...files, 'other/readme': new Uint8Array(3) }));
    await reaches(page, 'ended');
    await page.reload();
    await reaches(page, 'ended');
    t.same(await digestsOn(page), expected);
    await isReviewed(t, page);
    t.same(said, [], 'the policy of the page forbids nothing that it does');
    const { page: second } = await openSite(context);
    await reaches(second, 'ready');
    t.match(await statusOf(second), /another tab has the storage of this site: download the run/);
    await second.close();
    await page.close();
  });

  await t.test(
    'reloaded in the middle of training in Firefox',
    { skip: firefoxMissing() ?? false },
    async t => {
      const found = new Promise(resolve => {
        told = resolve;
      });
      const end = openFirefox(`${address()}reporter`, work.folder());
      t.same(await found, { resumed: true, digests: expected });
      await end();
    },
  );

  await t.test('closed in the middle of training, it resumes to the same bytes', async t => {
    const own = await browser.newContext();
    // each turn of the trainer waits, so that no machine is fast enough to end before
    const first = await openSite(own, SLOWED);
    await reaches(first.page, 'ready');
    await trainsFor40Steps(first.page);
    t.match(await first.page.locator('.badge').first().textContent(), /running/);
    await first.page.close();
    const { page } = await openSite(own);
    await reaches(page, 'paused');
    await press(page, 'Resume');
    await reaches(page, 'ended');
    t.same(await digestsOn(page), expected);
    await own.close();
  });

  await t.test('paused in the page, it resumes in Node, and the other way round', async t => {
    const own = await browser.newContext();
    const slow = await openSite(own, SLOWED);
    await reaches(slow.page, 'ready');
    await trainsFor40Steps(slow.page);
    await press(slow.page, 'Pause');
    await reaches(slow.page, 'paused');
    const directory = await downloaded(slow.page);
    await slow.page.close();
    const data = ['--set', `dataset.path=${join(dirname(config), 'data.csv')}`];
    const resumed = await work.cellrun('resume', directory, ...data, '--allow-change', 'dataset.path');
    t.equal(resumed.code, 0, resumed.stderr);
    const trainedInNode = async (...more: string[]): Promise<string> => {
      const given = ['run', config, '--portable', '--output', work.folder(), '--json', ...more];
      return JSON.parse((await work.cellrun(...given)).stdout).directory;
    };
    t.same(lastTensors(directory), lastTensors(await trainedInNode()));
    const begun = await trainedInNode('--pause-after-epoch', '5');
    const names = readdirSync(begun, { recursive: true, encoding: 'utf8' });
    const files = names.filter(name => statSync(join(begun, name)).isFile());
    const content = files.map(name => [`${basename(begun)}/${name}`, readFileSync(join(begun, name))]);
    const { page } = await openSite(own);
    await reaches(page, 'paused');
    await drop(page, 'begun.zip', zipSync(Object.fromEntries(content)));
    await page.getByText(basename(begun)).waitFor();
    await press(page, 'Resume');
    await reaches(page, 'ended');
    t.same(await digestsOn(page), expected);
    await own.close();
  });

  await t.test('opened from a file, with data that are dropped', async t => {
    const own = await browser.newContext();
    const page = await own.newPage();
    page.setDefaultTimeout(PATIENCE);
    await page.goto(pathToFileURL(join(site, 'index.html')).href);
    await reaches(page, 'ready');
    t.match(await statusOf(page), /this page has no storage: download the run before you close/);
    await drop(page, 'data.csv', readFileSync(join(dirname(config), 'data.csv')));
    await page.getByText('data.csv is a new file').waitFor();
    await press(page, 'Train');
    await reaches(page, 'ended');
    t.same(await digestsOn(page), expected);
    await own.close();
  });

  await t.test('the storage keeps up with a fast run', async t => {
    const own = await browser.newContext();
    const { page } = await openSite(own);
    await reaches(page, 'ready');
    const text = await page.inputValue('#config');
    await page.fill('#config', text.replace('num_epochs: 12', 'num_epochs: 100000'));
    await press(page, 'Train');
    while ((await stepsOn(page)) < 500) await page.waitForTimeout(100);
    await page.reload();
    await reaches(page, 'paused');
    const steps = await stepsOn(page);
    t.ok(steps >= 50, `${steps} steps`);
    await own.close();
  });

  await t.test('on several threads, if the server isolates it', async t => {
    headers = ISOLATED;
    const isolated = await browser.newContext({ acceptDownloads: true });
    const { page, said } = await openSite(isolated);
    await reaches(page, 'ready');
    const text = await page.inputValue('#config');
    await page.fill('#config', text.replace('batch_size: 5', 'batch_size: 16'));
    await press(page, 'Train');
    await reaches(page, 'ended');
    t.same(await digestsOn(page), await digestsOfNode('--set', 'training.batch_size=16', '--threads', '1'));
    t.same(said, []);
    const manifest = JSON.parse(readFileSync(join(await downloaded(page), 'manifest.json'), 'utf8'));
    t.ok(manifest.backend.threads > 1);
    await isolated.close();
    headers = {};
  });

  await t.test('from the weights of another run, on Parquet and on recordings, twice', async t => {
    for (const file of [continued, parquet, tones]) {
      const own = await browser.newContext();
      const { page, said } = await openSite(own);
      await reaches(page, 'ready');
      await page.getByLabel('File').selectOption(basename(file));
      const digests = await digestsOfRun(work, file);
      // the second time with what the first one kept, such as features
      for (const _ of [1, 2]) {
        await trainsToTheEnd(page);
        t.equal(await failuresOn(page), '');
        t.same(await digestsOn(page), digests);
      }
      t.same(said, []);
      await own.close();
    }
  });

  await t.test('on a GPU, if the user picks it', async t => {
    const own = await startChromium('--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader');
    t.teardown(() => own.close());
    const context = await own.newContext();
    const slow = await openSite(context, SLOWED);
    await reaches(slow.page, 'ready');
    await slow.page.getByLabel('Train on').selectOption('the GPU');
    await trainsFor40Steps(slow.page);
    await press(slow.page, 'Pause');
    await reaches(slow.page, 'paused');
    await slow.page.close();
    const { page, said } = await openSite(context);
    await reaches(page, 'paused');
    await press(page, 'Resume');
    await reaches(page, 'ended');
    const directory = await downloaded(page);
    const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'));
    t.match(manifest.backend, { name: 'webgpu', executor: 'device', arithmetic: null });
    const lossIn = (folder: string) =>
      JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8')).metrics.test.loss as number;
    const node = await work.cellrun('run', config, '--output', work.folder(), '--json');
    const [found, wanted] = [lossIn(directory), lossIn(JSON.parse(node.stdout).directory)];
    t.ok(Math.abs(found / wanted - 1) < 1e-3, `${found} and ${wanted}`);
    t.same([...slow.said, ...said], []);
    t.equal(await page.getByText('has the same SHA-256').count(), 0, 'drivers round as they like');
  });

  await t.test('with a number that a slider sets', async t => {
    const own = await browser.newContext();
    const { page } = await openSite(own);
    await reaches(page, 'ready');
    const range = page.getByRole('slider', { name: 'training.num_epochs' });
    t.equal(await range.inputValue(), '12', 'as in the config');
    await range.fill('3');
    const rate = page.getByRole('slider', { name: 'optimizer.learning_rate' });
    await rate.press('End');
    await rate.press('Home');
    await page.getByText('0.0001, instead of').waitFor();
    t.same(await attributes(rate, 'max'), [String(Math.log(0.1))]);
    await press(page, 'Train');
    await reaches(page, 'ended');
    const set = ['--set', 'training.num_epochs=3', '--set', 'optimizer.learning_rate=0.0001'];
    t.same(await digestsOn(page), await digestsOfNode(...set));
    await own.close();
  });

  await t.test('if the storage is full, the run can be downloaded, and resumed later', async t => {
    const own = await browser.newContext({ acceptDownloads: true });
    const { page } = await openSite(own);
    await reaches(page, 'ready');
    const devtools = await own.newCDPSession(page);
    const { origin } = new URL(page.url());
    // for some of the checkpoints
    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 60_000 });
    await press(page, 'Train');
    await reaches(page, 'ended');
    t.match(await statusOf(page), /the storage of the browser is full: download the run before you close/);
    t.same(await digestsOn(page), expected);
    await isReviewed(t, page);
    await devtools.send('Storage.overrideQuotaForOrigin', { origin });
    await page.reload();
    await reaches(page, 'paused');
    await press(page, 'Resume');
    await reaches(page, 'ended');
    t.same(await digestsOn(page), expected);
    t.equal(await statusOf(page), 'Trained');
    await own.close();
  });

  await t.test('in a tab in the background, whose timers wait', async t => {
    // pages of the other connection always count as seen
    const over = await chromium.connectOverCDP(`http://127.0.0.1:${DEBUG_PORT}`, { noDefaults: true });
    const [own] = over.contexts();
    const { page } = await openSite(own);
    await reaches(page, 'ready');
    const front = await own.newPage();
    await front.bringToFront();
    const devtools = await own.newCDPSession(page);
    const inPage = async (expression: string) => {
      const given = { expression, awaitPromise: true, returnByValue: true };
      return (await devtools.send('Runtime.evaluate', given)).result.value;
    };
    t.equal(await inPage('document.visibilityState'), 'hidden');
    await inPage("[...document.querySelectorAll('button')].find(one => one.innerText === 'Train').click()");
    await reaches(page, 'ended');
    t.same(await digestsOn(page), expected);
    await page.close();
    await over.close();
  });
});

t.test('random models have the same bytes in a page', { skip: missing ?? false }, async t => {
  // numbers, facts, texts and a decoder; all others in `npm run soak`
  const { cases, failures } = await tryPages(work, 1, [0, 3, 6, 9]);
  t.equal(cases, 4);
  t.same(failures, []);
});

t.test('sliders are for numbers of the config', async t => {
  const asked = (slider: string) =>
    work.cellrun('web', config, '--output', work.folder(), '--slider', slider);
  const bad: Readonly<Record<string, RegExp>> = {
    'training.num_epochs': /^--slider: "training.num_epochs" is not a range/,
    'training.num_epochs=5:1': /is not a range of a key/,
    'name=1:5': /^--slider: name is no number/,
    'training.num_epochs=0:5': /^--slider:.*training.num_epochs/,
    'training.epochz=1:5': /^--slider:.*unknown key `epochz` in `training`/,
    'optimizer.learning_rate=0:0.1:log': /is not a range of a key/,
  };
  for (const [slider, message] of Object.entries(bad))
    t.match(await asked(slider), { code: 2, stderr: message }, slider);
});
