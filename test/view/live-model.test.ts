/** The model in a report predicts in a browser what `predict` does, while one changes the input. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import t from 'tap';
import { loadModel, type SequenceValues } from '../../src/index.js';
import { checkLooks, chromiumMissing, openPage, part, startChromium } from '../support/browser.js';
import {
  config,
  crossEntropy,
  distance,
  linesOf,
  noise,
  predictionCases,
  unlabelled,
} from '../support/prediction-cases.js';
import { train } from '../support/runs.js';
import { work } from '../support/work.js';

const { cases } = predictionCases(work);
const TITLE = 'Try the model';

/** Visits with words and missing values; known promotions of two shops. */
const visits = Array.from({ length: 30 }, (_, i) =>
  [0, 1, 2].map(hour => [
    i,
    hour,
    noise(i + hour) > 0.3 ? '' : 80 + noise(i * 3 + hour),
    'abc'[(i + hour) % 3],
    i % 2,
  ]),
).flat();
const sales = Array.from({ length: 120 }, (_, i) => [
  ['north', 'south'][i % 2],
  new Date(Date.UTC(2025, 0, 1 + Math.floor(i / 2))).toISOString().slice(0, 10),
  20 + (i % 7) + 9 * noise(i),
  i % 5 === 0 ? 1 : 0,
]);
const file = (name: string, names: string, rows: readonly (readonly unknown[])[]) =>
  work.file(name, `${[names, ...rows.map(row => row.join())].join('\n')}\n`);
const series = {
  ...{ kind: 'forecast', path: file('sales.csv', 'shop,day,sold,promotion', sales), target: 'sold' },
  ...{ series: 'shop', time: 'day', input_steps: 14, horizon: 3, season: 7, test_fraction: 0.25 },
};
const ALL: Readonly<Record<string, object>> = {
  ...Object.fromEntries(
    [
      'csv, a class for each sequence',
      'csv, quantiles, the mean of the outputs',
      'csv, several values with names',
      'csv, symbols',
      'npz, classes with weights, the largest outputs',
      'npz, symbols',
      'jsonl, a class for each text',
      'jsonl, a tag for each word',
      'text, character level',
      'text, byte level',
      'text, word level, states that pass from batch to batch',
      'idx, images',
    ].map(name => [name, cases[name].config]),
  ),
  'csv, words and missing values': config(
    {
      ...{
        kind: 'csv',
        path: file('visits.csv', 'visit,hour,pulse,drug,ill', visits),
        test: { fraction: 0.3 },
      },
      ...{ sequence: { group: 'visit', order: 'hour' }, missing: { fill: 'forward', indicator: true } },
      features: ['pulse', { column: 'drug', encode: 'one_hot' }],
      ...{ target: 'ill', target_kind: 'class', normalize: 'standard' },
    },
    crossEntropy,
  ),
  'forecast, known in advance': config(
    { ...series, known: ['promotion'], calendar: ['day_of_week'] },
    { kind: 'quantile', quantiles: [0.1, 0.5, 0.9] },
  ),
  'forecast, the past alone': config({ ...series, missing: { fill: 'forward' } }, { kind: 'mse' }),
};

async function reported(config: object): Promise<{ directory: string; url: string }> {
  const { directory } = (await train(work, config)).summary;
  const { code, stderr } = await work.cellrun('report', directory);
  if (code !== 0) throw new Error(stderr);
  return { directory, url: pathToFileURL(join(directory, 'report.html')).href };
}

async function predictionIn(page: Page): Promise<Record<string, unknown>> {
  return JSON.parse((await page.locator('#outcome pre').textContent()) ?? '');
}

t.test('in Chromium', { skip: chromiumMissing() ?? false, timeout: 600_000 }, async t => {
  const browser = await startChromium();
  t.teardown(() => browser.close());

  t.test('a report starts with the first test sequence', async t => {
    for (const [name, config] of Object.entries(ALL)) {
      const { directory, url } = await reported(config);
      const { stdout } = await work.cellrun('predict', directory, '--split', 'test');
      const { id: _, ...expected } = unlabelled(linesOf(stdout))[0];
      const { page, said, requested, close } = await openPage(browser, url);
      // a text with a symbol that training did not have is not written again
      if (name.startsWith('text, byte level')) {
        t.equal(await page.locator('#input').inputValue(), '', name);
        continue;
      }
      const { time, warnings, id, ...found } = await predictionIn(page);
      t.ok(distance(found, expected) < 1e-6, name, { found, expected });
      t.same([said, requested], [[], []], name);
      await close();
    }
  });

  t.test('a slider moves the prediction', async t => {
    const { directory, url } = await reported(ALL['csv, a class for each sequence']);
    const { page, said, requested } = await openPage(browser, url);
    await predictionIn(page);
    const input = page.locator('#input');
    const rows = (await input.inputValue()).split('\n').slice(1);
    const numbers = rows.map(row => row.split(',').map(Number));
    const form = part(page, TITLE).locator('form');
    const slider = form.getByRole('slider');
    const table = (rows: readonly (readonly number[])[]) =>
      ['a,b', ...rows.map(row => row.join())].join('\n');
    const shiftedBy = async ([a, b]: readonly number[]) => [
      a,
      Number((b + Number(await slider.inputValue())).toPrecision(6)),
    ];
    await form.getByLabel('shift').selectOption('b');
    await slider.press('End');
    const shifted = await Promise.all(numbers.map(shiftedBy));
    t.ok(shifted[0][1] > numbers[0][1]);
    t.equal(await input.inputValue(), table(shifted));
    t.equal(await shown(page, await predicted(directory, shifted)), true, 'every step');

    await form.getByRole('combobox', { name: /^in/ }).selectOption('step 1');
    await slider.press('Home');
    const one = shifted.with(1, await shiftedBy(shifted[1]));
    t.equal(await input.inputValue(), table(one));
    t.equal(await shown(page, await predicted(directory, one)), true, 'one step');
    await slider.fill('0');
    t.equal(await input.inputValue(), table(shifted), 'and back');

    await input.fill('a,b\n1,?');
    await page.locator('#outcome .alert').waitFor();
    t.match(await page.locator('#outcome').textContent(), /not a finite float32 number; got/);
    await input.fill('a,b\n100,0.5');
    t.equal(await shown(page, await predicted(directory, [[100, 0.5]])), true, 'a text');
    await checkLooks(t, page, 'live-classes');
    t.same([said, requested], [[], []], 'nothing is sent');
  });

  t.test('one draws an image', async t => {
    const { directory, url } = await reported(ALL['idx, images']);
    const { page, said } = await openPage(browser, url);
    await predictionIn(page);
    const input = page.locator('#input');
    await page.getByRole('button', { name: 'Clear' }).click();
    t.equal(await input.inputValue(), '0,0\n0,0\n0,0');
    const canvas = part(page, TITLE).locator('canvas');
    const { width = 0, height = 0 } = (await canvas.boundingBox()) ?? {};
    await canvas.scrollIntoViewIfNeeded();
    await canvas.click({ position: { x: width / 4, y: height / 2 } });
    t.match(await input.inputValue(), /^0.\d+,0.\d+\n1,[\d.]+\n/, 'white where it was touched');
    const drawn = (await input.inputValue()).split('\n').map(line => line.split(',').map(Number));
    t.equal(await shown(page, await predicted(directory, drawn)), true);
    await checkLooks(t, page, 'live-image');
    t.same(said, []);
  });

  t.test('a report without a model says why', async t => {
    const large = config(Object(ALL['csv, a class for each sequence']).dataset, crossEntropy, {
      hidden_size: 520,
    });
    const { directory, url } = await reported(large);
    const { page } = await openPage(browser, url);
    t.match(
      await part(page, TITLE).textContent(),
      /without the model: its weights have 4.36 MB, more than 4 MB\./,
    );
    t.equal(await page.getByText('wasm').count(), 0);
    t.notMatch(await page.content(), /wasm-unsafe-eval/, 'and a stricter policy');
    await work.cellrun('report', directory, '--no-model');
    await page.reload();
    t.equal(await part(page, TITLE).count(), 0, 'unless one has left it out');
  });
});

/** What a program predicts of a sequence with the same model. */
async function predicted(directory: string, sequence: SequenceValues): Promise<number[]> {
  const model = await loadModel(directory, { backend: 'webasm', threads: 1 });
  for await (const { predictions } of model.predict([sequence])) {
    await model.close();
    const [one] = predictions;
    if (one.kind === 'class') return [...one.probabilities];
  }
  throw new Error('no class is predicted');
}

/** Waits until a page shows these probabilities; a browser may round logarithms differently. */
async function shown(page: Page, probabilities: readonly number[]): Promise<boolean> {
  for (let tries = 0; tries < 100; tries++) {
    const [text = '{}'] = await page.locator('#outcome pre').allTextContents();
    if (distance({ ...JSON.parse(text).probabilities }, { ...probabilities }) < 1e-12) return true;
    await page.waitForTimeout(50);
  }
  return false;
}
