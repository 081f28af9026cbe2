/**
 * The dashboard in a real browser, over real runs: what is on the page is what is in the files, and
 * stays so while they grow.
 */
import { appendFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import t from 'tap';
import type { Comparison } from '../../src/judge/comparison/document.js';
import { type Dashboard, startDashboard } from '../../src/view/server/dashboard.js';
import { holdAfter } from '../soak/moments.js';
import {
  attributes,
  cellsOf,
  checkLooks,
  chromiumMissing,
  type Look,
  openPage,
  PATIENCE,
  part,
  startChromium,
} from '../support/browser.js';
import { type RunSummary, readLog } from '../support/cli.js';
import { defectLog, logLines, makeRun } from '../support/dashboard.js';
import { comesTrue, isStopped } from '../support/programs.js';
import { sweepInProcess } from '../support/sweeps.js';
import { work } from '../support/work.js';

const defects: unknown[] = [];

function start(root: string, port = 0): Promise<Dashboard> {
  return startDashboard({
    root,
    host: '127.0.0.1',
    port,
    pollMs: 50,
    log: defectLog(defects),
  });
}

const small = {
  name: 'adding',
  dataset: { kind: 'synthetic', problem: 'adding', sequence_length: 10, train_size: 80, test_size: 20 },
  model: { cell: 'lstm', hidden_size: 8, num_layers: 1, head: { from: 'last' } },
  loss: { kind: 'mse' },
  training: { num_epochs: 3, batch_size: 20, log_every: 1 },
  gates: [{ metric: 'test.loss', max: 0.001 }],
};

/** No process looks for an adapter. */
const WEBASM = ['--backend', 'webasm'];

async function train(output: string, set: readonly string[] = []): Promise<RunSummary> {
  const flags = set.flatMap(one => ['--set', one]);
  const words = ['run', work.config(small), '--json', '--output', output, ...WEBASM, ...flags];
  const { stdout, stderr } = await work.cellrun(...words);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

/** Two runs, the older one first. */
const trained = work.folder();
const runs = [
  await train(trained, ['optimizer.learning_rate=0.01']),
  await train(trained, ['optimizer.learning_rate=0.003']),
];

/** A grid over `parameters`. */
function sweepFile(parameters: object): string {
  return work.sweep({ name: 'searched', base: work.config({ ...small, gates: [] }), parameters });
}

t.test('in a browser', { skip: chromiumMissing() ?? false }, async t => {
  let browser: Browser;
  t.before(async () => {
    browser = await startChromium();
  });
  t.teardown(() => browser.close());
  t.afterEach(() => {
    if (defects.length > 0) throw defects.splice(0)[0];
  });

  /**
   * Opens a view; at the end nothing may have been said on the console, nor asked of anyone else.
   */
  async function view(
    url: string,
    hash: string,
    look: Look,
    use: (page: Page) => Promise<void>,
  ): Promise<void> {
    const opened = await openPage(browser, `${url}${hash}`, look);
    try {
      await use(opened.page);
    } finally {
      await opened.close();
    }
    t.same(opened.said, [], 'nothing on the console');
    t.same(
      opened.requested.filter(asked => !asked.startsWith(url)),
      [],
      'nothing from elsewhere',
    );
  }

  const cell = (page: Page, path: string, column: string) =>
    page.locator(`tr[data-row="${path}"] [data-column="${column}"]`);
  const exact = (page: Page, path: string, column: string) =>
    cell(page, path, column).locator('data').getAttribute('value');
  const title = (page: Page) => page.locator('main h1').textContent();
  const paths = (page: Page) =>
    attributes(page.locator('.sortable tr[data-row], .compared tr[data-row]'), 'data-row');

  t.test('the list, a run and a comparison match the files', async t => {
    const root = trained;
    const dashboard = await start(root);
    t.teardown(() => dashboard.close());
    const path = (run: RunSummary) => `adding/${run.run_id}`;
    await view(dashboard.url, '', {}, async page => {
      await page.waitForSelector('tr[data-row]');
      const started = ({ directory }: RunSummary): string =>
        JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')).started;
      const newest = runs.toSorted((a, b) => started(b).localeCompare(started(a)));
      t.same(await paths(page), newest.map(path), 'the newest first');
      for (const run of runs) {
        for (const [name, value] of Object.entries(run.metrics.test))
          t.equal(await exact(page, path(run), `test.${name}`), String(value));
        t.equal(run.gates[0].verdict, 'failed');
        t.match(await cell(page, path(run), 'state').textContent(), /^✕ gate failed/);
      }
      t.same(
        await page.locator('thead th').allTextContents(),
        [
          ...['run', '⇄compare', 'state'],
          ...['test mean absolute error', 'test rmse', 'test loss'],
          ...['train mean absolute error', 'train loss'],
          ...['learning_rate', 'time', 'started', 'message'],
        ],
        'what differs, and nothing that is empty or the same in all rows',
      );
      for (const [i, rate] of ['0.01', '0.003'].entries())
        t.equal(await cell(page, path(runs[i]), 'optimizer.learning_rate').textContent(), rate);
      await page.getByRole('link', { name: runs[0].run_id }).click();
      await page.waitForSelector('article.run');
      t.match(await title(page), 'adding');
    });
    const query = runs.map(run => `run=${encodeURIComponent(path(run))}`).join('&');
    await view(dashboard.url, `#/compare?${query}`, {}, async page => {
      const rowsOf = (title: string) => cellsOf(part(page, title).locator('tbody tr'));
      await page.waitForSelector('.differences tr[data-row]');
      t.same(await rowsOf('What differs'), [['optimizer.learning_rate', '0.003', '0.01', 'numerics']]);
      for (const run of runs) {
        t.equal(await exact(page, path(run), 'test.loss'), String(run.metrics.test.loss));
        const line = page.locator(`[data-chart="Test loss"] [data-series="${path(run)}"] data`);
        t.equal(
          await line.getAttribute('value'),
          String(readLog(run.directory).findLast(({ event }) => event === 'eval')?.loss),
        );
      }
      const told = await work.cellrun('compare', join(root, 'adding'), '--format', 'json');
      t.equal(told.code, 0, told.stderr);
      const { metrics, sides } = JSON.parse(told.stdout) as Comparison;
      t.same(
        (await rowsOf('Sides')).map(([id]) => id),
        sides.map(({ id }) => id),
      );
      t.same(
        (await rowsOf('Metrics')).map(cells => [cells[1], cells[9]]),
        metrics.flatMap(({ sides: measured, comparisons }) =>
          measured.map(({ side }) => [
            side,
            comparisons.find(compared => compared.side === side)?.verdict ?? '–',
          ]),
        ),
      );
    });
  });

  t.test('follows a run from its first step to its end', async t => {
    const root = join(work.folder(), 'experiments');
    const dashboard = await start(root);
    t.teardown(() => dashboard.close());
    await view(dashboard.url, '', {}, async page => {
      await page.getByRole('heading', { name: 'No runs yet' }).waitFor();
      const training = { num_epochs: 300, batch_size: 40, log_every: 1 };
      const file = work.config({ ...small, training, checkpoint: { every: { steps: 300 } } });
      // the run stands still while the page is read, so that it does not end too early
      const holds = [2, 50].flatMap(step => ['--import', holdAfter(`"event":"train.step".*"step":${step},`)]);
      const running = work.startWith(holds, ['run', file, '--json', '--output', root, ...WEBASM]);
      const isAtRest = () => isStopped(Number(running.child.pid));
      await comesTrue(isAtRest);
      await page.locator('tr[data-row] .badge.running').waitFor();
      t.match(await page.title(), '(1)');
      await page.locator('tr[data-row] a').click();
      // where a chart would tell what is under the pointer
      await page.mouse.move(0, 0);
      const chart = page.locator('[data-chart="Loss"]');
      await chart.waitFor();
      t.match(await title(page), 'running');
      const note = page.locator('article.run header .note', { hasText: / steps?, / });
      const stepsTold = async () =>
        Number(/([\d,]+) steps?/.exec((await note.textContent()) ?? '')?.[1].replaceAll(',', ''));
      await comesTrue(async () => (await stepsTold()) === 2);
      running.child.kill('SIGCONT');
      await comesTrue(async () => (await stepsTold()) === 50);
      await comesTrue(isAtRest);
      t.match(await title(page), 'running', 'it grew while the run was under way');
      running.child.kill('SIGCONT');
      const { stdout, code } = await running.finished;
      t.equal(code, 3, 'its gate fails');
      const summary = JSON.parse(stdout) as RunSummary;
      await page.locator('article.run h1 .badge.gate-failed').waitFor();
      t.equal(await stepsTold(), summary.steps);
      t.equal(
        await page.locator('[data-metric="test.loss"] data').getAttribute('value'),
        String(summary.metrics.test.loss),
      );
      const last = readLog(summary.directory).findLast(({ event }) => event === 'train.step');
      t.equal(
        await chart.locator('[data-series="train.loss"] data').getAttribute('value'),
        String(last?.loss),
      );
    });
  });

  t.test('curves get new points, and the zoom stays', async t => {
    const root = work.folder();
    const lines = logLines(4, 25);
    const directory = makeRun(root, { name: 'a', id: '20260101T000000Z-00000000', log: lines.slice(0, 60) });
    const log = join(directory, 'log.jsonl');
    const dashboard = await start(root);
    t.teardown(() => dashboard.close());
    await view(dashboard.url, '#/run/a/20260101T000000Z-00000000', {}, async page => {
      const chart = page.locator('[data-chart="Loss"]');
      const plot = chart.getByRole('slider');
      await chart.waitFor();
      const newest = (loss: number) =>
        chart.locator(`[data-series="train.loss"] data[value="${loss}"]`).waitFor();
      const at = (line: number) => JSON.parse(lines[line]).loss as number;
      await newest(at(59));
      await plot.focus();
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('+');
      const zoom = await plot.getAttribute('aria-valuemin');
      await page.keyboard.press('Tab');
      // a line in two pieces, as a reader may find it
      appendFileSync(log, lines[60].slice(0, 40));
      appendFileSync(log, lines[60].slice(40) + lines.slice(61, 75).join(''));
      await newest(at(74));
      t.equal(await plot.getAttribute('aria-valuemin'), zoom);
      await page.getByRole('button', { name: 'Show all steps' }).click();
      t.equal(await plot.getAttribute('aria-valuemax'), String(JSON.parse(lines[74]).step));
    });
  });

  t.test('filter, sort, choose and compare by keyboard; go back', async t => {
    const root = work.folder();
    const id = (day: number) => `202601${String(day).padStart(2, '0')}T000000Z-00000000`;
    for (const [day, accuracy] of [0.7, 0.9, 0.8].entries())
      makeRun(root, { name: 'first', id: id(day + 1), status: 'completed', accuracy });
    makeRun(root, { name: 'second', id: id(9), status: 'diverged', accuracy: 0.1 });
    const dashboard = await start(root);
    t.teardown(() => dashboard.close());
    await view(dashboard.url, '', {}, async page => {
      await page.waitForSelector('tr[data-row]');
      const press = (...keys: readonly string[]) =>
        keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
      await press('Tab');
      t.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to the content');
      await press('Enter');
      t.equal(await page.evaluate('document.activeElement.localName'), 'main');
      await press('Tab');
      await page.keyboard.type('FIRST completed');
      t.same(
        await paths(page),
        [3, 2, 1].map(day => `first/${id(day)}`),
      );
      t.match(page.url(), /find=FIRST/, 'the address has the filter');
      t.match(await page.locator('main [role=status]').textContent(), '3 runs');
      const byAccuracy = page.getByRole('button', { name: 'test accuracy' });
      await byAccuracy.focus();
      await press('Enter');
      t.same(
        await paths(page),
        [1, 3, 2].map(day => `first/${id(day)}`),
      );
      t.equal(await page.locator('th[aria-sort=ascending]').textContent(), 'test accuracy ▲');
      await press('Enter');
      t.same(
        await paths(page),
        [2, 3, 1].map(day => `first/${id(day)}`),
      );
      const compare = page.getByRole('button', { name: /^Compare/ });
      t.ok(await compare.isDisabled());
      for (const day of [2, 1]) {
        await page.getByRole('checkbox', { name: id(day) }).focus();
        await press('Space');
      }
      await compare.focus();
      await press('Enter');
      await page.locator('article.comparison tr[data-row]').first().waitFor();
      t.same(
        await paths(page),
        [2, 1].map(day => `first/${id(day)}`),
        'as they were chosen',
      );
      t.equal(
        await page.evaluate('document.activeElement.localName'),
        'main',
        'the reader is at the new view',
      );
      await page.getByText('Configs, data, versions and machines are equal.').waitFor();
      await page.goBack();
      await page.waitForSelector('article.list');
      t.equal(await page.getByRole('searchbox').inputValue(), 'FIRST completed', 'the filter is still there');
      await page.getByRole('combobox', { name: /^Experiment/ }).selectOption('second');
      await page.getByText('Nothing here fits the filter.').waitFor();
      await page.getByRole('searchbox').fill('');
      t.same(await paths(page), [`second/${id(9)}`]);
      t.match(await cell(page, `second/${id(9)}`, 'message').textContent(), 'not finite');
    });
    await view(dashboard.url, '#/list?state=diverged', {}, async page => {
      await page.waitForSelector('tr[data-row]');
      t.same(await paths(page), [`second/${id(9)}`], 'a filter can be linked to');
    });
  });

  t.test('the list with groups and chosen columns; tags appear and disappear', async t => {
    const root = work.folder();
    const id = (day: number) => `2026010${day}T000000Z-00000000`;
    for (const [day, learningRate, accuracy] of [
      [1, 0.01, 0.7],
      [2, 0.02, 0.6],
      [3, 0.01, 0.9],
    ] as const)
      makeRun(root, { name: 'a', id: id(day), status: 'completed', learningRate, accuracy });
    const dashboard = await start(root);
    t.teardown(() => dashboard.close());
    await view(dashboard.url, '', {}, async page => {
      await page.waitForSelector('tr[data-row]');
      const heads = () => attributes(page.locator('thead button'), 'title');
      t.notOk((await heads()).includes('tags'), 'nothing is tagged');
      const tagged = await work.cellrun('tag', join(root, 'a', id(2)), '--add', 'odd', '--note', 'too fast');
      t.equal(tagged.code, 0, tagged.stderr);
      await page.getByText('too fast').waitFor();
      t.equal(await cell(page, `a/${id(2)}`, 'tags').textContent(), 'odd');
      const search = page.getByRole('searchbox', { name: 'Find', exact: true });
      await search.fill('lr=0.01 nothing=1');
      t.match(await page.getByRole('alert').textContent(), '“nothing”');
      await search.fill('');
      t.equal(await page.getByRole('alert').count(), 0);

      await page.getByLabel('Group by').selectOption('optimizer.learning_rate');
      t.match(page.url(), /group=optimizer.learning_rate/, 'the address has the grouping');
      const group = (label: string) => page.locator(`[data-group="${label}"]`);
      t.same(await paths(page), [], 'groups are closed at first');
      const mean = group('0.01').locator('.group [data-column="test.accuracy"]');
      t.equal(Number(await mean.locator('data').getAttribute('value')).toFixed(12), '0.800000000000');
      // numpy.std([0.7, 0.9], ddof=1)
      t.equal(
        Number(await mean.locator('[data-spread]').getAttribute('data-spread')).toFixed(12),
        '0.141421356237',
      );
      await page.getByRole('button', { name: 'test accuracy' }).click();
      t.same(
        await attributes(page.locator('[data-group]'), 'data-group'),
        ['0.02', '0.01'],
        'groups are sorted by their means',
      );
      const opener = group('0.01').getByRole('button', { name: '0.01' });
      await opener.focus();
      await page.keyboard.press('Enter');
      t.equal(await opener.getAttribute('aria-expanded'), 'true');
      t.same(
        await paths(page),
        [1, 3].map(day => `a/${id(day)}`),
      );
      await page.getByRole('checkbox', { name: 'compare all 2 runs of this group' }).check();
      t.match(await page.getByRole('button', { name: 'Compare 2 runs' }).isEnabled(), true);
      await page.getByLabel('Group by').selectOption('');

      await page.getByText('Columns', { exact: true }).click();
      await page.getByRole('checkbox', { name: 'test loss' }).uncheck();
      await page.getByRole('checkbox', { name: 'optimizer.kind' }).check();
      const chosen = await heads();
      t.ok(chosen.includes('optimizer.kind') && !chosen.includes('test.loss'), chosen.join());
      t.equal(await cell(page, `a/${id(1)}`, 'optimizer.kind').textContent(), 'adam');
      await page.reload();
      await page.waitForSelector('tr[data-row]');
      t.same(await heads(), chosen, 'the choice outlives the page');
      await page.getByText('Columns', { exact: true }).click();
      await page.getByRole('button', { name: 'Reset' }).click();
      t.ok((await heads()).includes('test.loss'));
    });
  });

  t.test('follows a sweep: trials appear and link to their runs', async t => {
    const root = work.folder();
    const dashboard = await start(root);
    t.teardown(() => dashboard.close());
    await view(dashboard.url, '', {}, async page => {
      let seen: () => void = () => {};
      const sight = new Promise<void>(resolve => {
        seen = resolve;
      });
      const file = sweepFile({ 'optimizer.learning_rate': [0.01, 0.1] });
      // the second trial waits until the page shows the sweep
      const sweep = sweepInProcess(work, file, root, ({ trial }) =>
        trial === 0 ? Promise.resolve() : sight,
      );
      await page.locator('tr[data-row] .badge.running').waitFor();
      await page.locator('tr[data-row] a').click();
      await page.locator('article.sweep h1 .badge.running').waitFor();
      seen();
      const summary = JSON.parse(readFileSync(join(await sweep, 'summary.json'), 'utf8'));
      await page.locator('article.sweep h1 .badge.completed').waitFor();
      const { best, top } = summary;
      t.equal(await page.locator('[data-metric=best] data').getAttribute('value'), String(best.value));
      for (const { trial, value } of top)
        t.equal(await exact(page, String(trial), 'test.loss'), String(value));
      await page.getByRole('link', { name: String(best.trial), exact: true }).click();
      await page.locator('article.run').waitFor();
      const { metrics } = JSON.parse(readFileSync(join(best.runs[0], 'summary.json'), 'utf8'));
      t.equal(
        await page.locator('[data-metric="test.loss"] data').getAttribute('value'),
        String(metrics.test.loss),
      );
      await page.getByRole('link', { name: 'The sweep of this trial' }).click();
      await page.locator('article.sweep').waitFor();
      await page.getByRole('link', { name: 'Compare the curves of these trials' }).click();
      const lines = page.locator('[data-chart="Test loss"] [data-series]');
      await lines.first().waitFor();
      t.same(
        await attributes(lines, 'data-series'),
        top.map(({ runs: [path] }: { runs: string[] }) => relative(root, path)),
        'the best first',
      );
    });
  });

  t.test('a server that is restarted', async t => {
    const root = work.folder();
    makeRun(root, { name: 'a', id: '20260101T000000Z-00000000', status: 'completed' });
    const first = await start(root);
    const opened = await openPage(browser, first.url);
    const { page } = opened;
    page.setDefaultTimeout(PATIENCE);
    const connection = (state: string) => page.locator(`[data-connection="${state}"]`).waitFor();
    await connection('live');
    await page.waitForSelector('tr[data-row]');
    await first.close();
    await connection('lost');
    t.match(await page.locator('nav [role=status]').textContent(), 'connection lost, trying again');
    t.equal((await paths(page)).length, 1, 'what was there is still shown');
    makeRun(root, { name: 'b', id: '20260102T000000Z-00000000', status: 'completed' });
    const second = await start(root, Number(new URL(first.url).port));
    t.teardown(() => second.close());
    await connection('live');
    await page.locator('tr[data-row^="b/"]').waitFor();
    t.ok(
      opened.said.every(text =>
        /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/.test(text),
      ),
      opened.said.join('\n'),
    );
    await opened.close();
  });

  t.test('shows why a document is unavailable', async t => {
    const root = work.folder();
    const damaged = makeRun(root, { name: 'a', id: '20260101T000000Z-00000000', status: 'completed' });
    writeFileSync(join(damaged, 'summary.json'), '{');
    mkdirSync(join(root, 'sweeps', 's', 'x'), { recursive: true });
    writeFileSync(join(root, 'sweeps', 's', 'x', 'plan.json'), '{');
    const dashboard = await start(root);
    t.teardown(() => dashboard.close());
    await view(dashboard.url, '', {}, async page => {
      await page.locator('.warnings').waitFor();
      t.match(await page.locator('.warnings li').allInnerTexts(), [
        /^a\/20260101T000000Z-00000000 .*not JSON/,
        /^sweeps\/s\/x /,
      ]);
      await page.goto(`${dashboard.url}#/run/a/20260101T000000Z-00000000`);
      await page.getByRole('alert').waitFor();
      t.match(await page.getByRole('alert').textContent(), 'not JSON');
      // mended while it is looked at
      makeRun(root, { name: 'a', id: '20260101T000000Z-00000000', status: 'completed' });
      await page.locator('article.run').waitFor();
      t.equal(await page.getByRole('alert').count(), 0);
    });
  });

  t.test('a missing run is reported once, and shown when it exists', async t => {
    const root = work.folder();
    makeRun(root, { name: 'a', id: '20260101T000000Z-00000000', status: 'completed' });
    const dashboard = await start(root);
    t.teardown(() => dashboard.close());
    const path = 'b/20260102T000000Z-00000000';
    const { page, said, requested, close } = await openPage(browser, `${dashboard.url}#/run/${path}`);
    page.setDefaultTimeout(PATIENCE);
    await page.getByRole('alert').waitFor();
    t.match(await page.getByRole('alert').textContent(), `there is no run '${path}'`);
    makeRun(root, { name: 'b', id: '20260102T000000Z-00000000', status: 'completed' });
    await page.locator('article.run').waitFor();
    t.equal(await page.getByRole('alert').count(), 0);
    t.equal(requested.filter(asked => asked.includes('/api/')).length, 1, 'asked for once');
    t.same(said, [], 'nothing on the console');
    await close();
  });

  t.test('accessibility: contrast, names, structure; no view is wider than its screen', async t => {
    const root = work.folder();
    cpSync(trained, root, { recursive: true });
    const [path, other] = runs.map(run => `adding/${run.run_id}`);
    const file = sweepFile({ 'optimizer.learning_rate': [0.001, 0.01], 'model.hidden_size': [4, 8] });
    const sweepDirectory = await sweepInProcess(work, file, root);
    const sweep = `sweeps/searched/${basename(sweepDirectory)}`;
    const dashboard = await start(root);
    t.teardown(() => dashboard.close());
    const views = {
      list: ['', 'tr[data-row]'],
      groups: ['#/list?group=config', 'tr.group'],
      run: [`#/run/${path}`, 'article.run'],
      sweep: [`#/sweep/${sweep}`, 'article.sweep'],
      compare: [`#/compare?run=${path}&run=${other}`, '.differences tr[data-row]'],
      nothing: ['#/list?find=nothing+like+this', 'article.list'],
    } as const;
    for (const [name, [hash, selector]] of Object.entries(views)) {
      await view(dashboard.url, hash, {}, async page => {
        await page.locator(selector).first().waitFor();
        await page.locator('[data-connection=live]').waitFor();
        await checkLooks(t, page, `dashboard-${name}`);
      });
    }
  });
});
