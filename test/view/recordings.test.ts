/** Recordings in reports: spectrograms, and sound that is embedded or served. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { audioOf } from '../../src/cli/command/recorded-audio.js';
import type { ClassReport } from '../../src/tasks/classes/report.js';
import type { SequenceReport } from '../../src/tasks/sequences/report.js';
import type { RunReport } from '../../src/view/run-report.js';
import { chromiumMissing, openPage, startChromium } from '../support/browser.js';
import { withDashboard } from '../support/dashboard.js';
import { distance, linesOf, unlabelled } from '../support/prediction-cases.js';
import { taskReportOf } from '../support/report-runs.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

const RATE = 8000;
const folder = work.folder();
const bytesOf = new Map<string, Buffer>();
for (let i = 0; i < 16; i++) {
  const name = `${i % 2 === 0 ? 'ab' : 'ba'}_${i}.wav`;
  // the last one is larger than what a report embeds
  const bytes = wav(tone(300 + 10 * i, i === 15 ? 70_000 : 1600 + 80 * i, RATE));
  bytesOf.set(name, bytes);
  writeFileSync(join(folder, name), bytes);
}

const trained = (more: object, dataset: object) =>
  work.train({
    dataset: {
      ...{ kind: 'audio', path: join(folder, '*.wav'), pattern: '{label}_{take}', target: 'label' },
      ...{ features: { kind: 'log_mel', bands: 4, hop: 100 }, test: { column: 'take', is: [0, 1, 14, 15] } },
      ...dataset,
    },
    optimizer: { kind: 'adam', learning_rate: 1e-9 },
    training: { num_epochs: 1, batch_size: 4 },
    ...more,
  });

const classes = await trained(
  { model: { cell: 'gru', hidden_size: 2 }, loss: { kind: 'cross_entropy' } },
  { target_kind: 'class' },
);
const symbols = await trained(
  { model: { cell: 'gru', hidden_size: 2, head: { from: 'every' } }, loss: { kind: 'ctc' } },
  { target_kind: 'sequence', target_level: 'character' },
);

type Mistake = ClassReport['mistakes'][number];
type Shown = SequenceReport['misread'][number] | Mistake;

async function reportOf(directory: string): Promise<RunReport> {
  const { stdout } = await work.cellrun('report', directory, '--json');
  return JSON.parse(stdout);
}

t.test('a report has the recordings that were mistaken', async t => {
  const { mistakes } = taskReportOf(await reportOf(classes.directory), 'class');
  const { misread } = taskReportOf(await reportOf(symbols.directory), 'sequence');
  const shown: Shown[] = [...mistakes, ...misread];
  t.same(new Set(shown.map(({ id }) => id)), new Set(['ab_0.wav', 'ab_14.wav', 'ba_1.wav', 'ba_15.wav']));
  for (const { id, recording } of shown) {
    const bytes = bytesOf.get(id ?? '') as Buffer;
    const seconds = (bytes.length - 44) / 2 / RATE;
    const { spectrogram = '', audio, ...facts } = recording ?? {};
    t.same(facts, { file: id, seconds, bands: 40 });
    // a window of 32 ms every 10 ms, or at most 300 of them
    const columns = Math.min(300, 1 + Math.floor((1000 * seconds - 32) / 10));
    t.equal(Buffer.from(spectrogram, 'base64').length, 40 * columns);
    const isSmall = bytes.length <= 2 ** 17;
    t.equal(audio, isSmall ? `data:audio/wav;base64,${bytes.toString('base64')}` : null);
  }
  const file = join(folder, 'ab_0.wav');
  renameSync(file, `${file}.gone`);
  const gone = taskReportOf(await reportOf(symbols.directory), 'sequence').misread.find(
    ({ id }) => id === 'ab_0.wav',
  );
  renameSync(`${file}.gone`, file);
  t.match(gone?.recording, { file: 'ab_0.wav', audio: null });
});

t.test('a mistake has the predictions of the recording cut at each time', async t => {
  const { mistakes } = taskReportOf(await reportOf(classes.directory), 'class');
  const cut = work.folder();
  const expected = new Map<string, readonly [predicted: unknown, label: unknown]>();
  for (const { id, recording, over_time: times, predicted } of mistakes) {
    const samples = Math.round((recording?.seconds ?? 0) * RATE);
    const [window, hop] = [0.025 * RATE, 0.1 * RATE];
    const steps = 1 + Math.floor((samples - window) / hop);
    const number = Number(/\d+/.exec(id ?? ''));
    for (let i = 0; i < 20; i++) {
      const length = window + (Math.ceil(((i + 1) * steps) / 20) - 1) * hop;
      const name = `${i}_${number}.wav`;
      writeFileSync(join(cut, name), wav(tone(300 + 10 * number, length, RATE)));
      expected.set(name, [times?.predicted[i], times?.label[i]]);
    }
    t.ok(predicted !== null);
  }
  t.ok(expected.size >= 20);
  const { stdout } = await work.cellrun('predict', classes.directory, '--input', cut, '--json');
  for (const line of linesOf(stdout)) {
    const { id, probabilities } = line as unknown as { id: string; probabilities: number[] };
    const largest = probabilities.toSorted((a, b) => b - a);
    const shown = (expected.get(id) ?? []).map(Number).toSorted((a, b) => b - a);
    t.ok(
      shown.length === 2 && shown.every((one, i) => Math.abs(one - largest[i]) < 1e-4),
      `${id}: ${shown} and ${largest}`,
    );
  }
});

t.test('the dashboard serves the recordings that a run shows', async t => {
  await withDashboard(
    symbols.directory,
    async ({ url }) => {
      const json = async (address: string) => JSON.parse(await (await fetch(url + address)).text());
      const [{ path }] = (await json('api/list')).runs;
      const { misread } = taskReportOf(await json(`api/runs/${path}`), 'sequence');
      for (const { id, recording } of misread) {
        const response = await fetch(new URL(recording?.audio ?? '', url));
        t.equal(response.headers.get('content-type'), 'audio/wav');
        t.ok(bytesOf.get(id ?? '')?.equals(Buffer.from(await response.arrayBuffer())), `${id}`);
      }
      for (const unknown of [`${path}?index=99`, `${path}?index=-1`, 'nothing?index=0'])
        t.equal((await fetch(`${url}api/recordings/${unknown}`)).status, 404);
    },
    { audioOf },
  );
});

t.test('a browser plays what a report embeds', { skip: chromiumMissing() ?? false }, async t => {
  const html = join(work.folder(), 'report.html');
  await work.cellrun('report', symbols.directory, '-o', html);
  const browser = await startChromium();
  t.teardown(() => browser.close());
  const { page, said } = await openPage(browser, pathToFileURL(html).href);
  const sounds = page.locator('.recording', { has: page.locator('audio') });
  t.equal(await sounds.count(), 3);
  const durations = await sounds.locator('audio').evaluateAll(all =>
    Promise.all(
      all.map(
        one =>
          new Promise(resolve => {
            const audio = one as unknown as { duration: number; onloadedmetadata: () => void };
            if (audio.duration > 0) resolve(audio.duration);
            audio.onloadedmetadata = () => resolve(audio.duration);
          }),
      ),
    ),
  );
  const seconds = ['ab_0.wav', 'ba_1.wav', 'ab_14.wav'].map(
    name => ((bytesOf.get(name)?.length ?? 0) - 44) / 2 / RATE,
  );
  t.same(durations.toSorted(), seconds.toSorted());
  t.same(said, []);
});

t.test(
  'a model predicts the recordings of its report, and files',
  { skip: chromiumMissing() ?? false },
  async t => {
    const browser = await startChromium();
    t.teardown(() => browser.close());
    for (const { directory } of [classes, symbols]) {
      const html = join(work.folder(), 'report.html');
      await work.cellrun('report', directory, '-o', html);
      const { page, said } = await openPage(browser, pathToFileURL(html).href);
      const { stdout } = await work.cellrun('predict', directory, '--split', 'test');
      const expected = new Map(unlabelled(linesOf(stdout)).map(({ id, index: _, ...line }) => [id, line]));
      const input = page.locator('#input');
      const names = await input.locator('option').allInnerTexts();
      let text = 'nothing yet';
      const check = async (name: string) => {
        text = (await page.locator('#outcome pre').filter({ hasNotText: text }).textContent()) ?? '';
        const { index: _, ...found } = JSON.parse(text);
        t.ok(distance(found, expected.get(name)) < 1e-6, name, { found, expected: expected.get(name) });
      };
      for (const [i, name] of names.entries()) {
        if (i > 0) await input.selectOption(name);
        await check(name);
      }
      await page.locator('input[type=file]').setInputFiles(join(folder, 'ba_15.wav'));
      await check('ba_15.wav');
      t.same(said, []);
    }
  },
);

t.test('a model predicts what the microphone hears', { skip: chromiumMissing() ?? false }, async t => {
  const heard = join(work.folder(), 'heard.wav');
  writeFileSync(heard, wav(tone(400, 4 * RATE, RATE)));
  const browser = await startChromium(
    '--use-fake-ui-for-media-stream',
    '--use-fake-device-for-media-stream',
    `--use-file-for-fake-audio-capture=${heard}`,
  );
  t.teardown(() => browser.close());
  const html = join(work.folder(), 'report.html');
  await work.cellrun('report', classes.directory, '-o', html);
  const { page, said } = await openPage(browser, pathToFileURL(html).href);
  const outcome = page.locator('#outcome pre');
  const before = (await outcome.textContent()) ?? '';
  await page.getByRole('button', { name: 'Record' }).click();
  await page.getByRole('button', { name: 'Stop' }).waitFor();
  await page.waitForTimeout(1000);
  await page.getByRole('button', { name: 'Stop' }).click();
  const after = await outcome.filter({ hasNotText: before }).textContent();
  t.match(JSON.parse(after ?? ''), { probabilities: [Number, Number] });
  t.same(said, []);
});
