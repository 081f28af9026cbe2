/** The formats of a review and the verb. */
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { parseDocument } from 'yaml';
import { writeJobSummary } from '../../src/cli/verbs/review.js';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { annotationsOf } from '../../src/view/github.js';
import { junitOf } from '../../src/view/junit.js';
import { markdownOf } from '../../src/view/markdown.js';
import { reviewDocument } from '../../src/view/review-document.js';
import { copierInto, judge, trainSmallRuns, withoutGates } from '../support/reviewed-runs.js';
import { work } from '../support/work.js';

const { folder, config, experiment, runs } = await trainSmallRuns(work);
const copyOf = copierInto(work);

t.test('a review without gates and baseline does not pass', async t => {
  const run = copyOf(runs[0], withoutGates);
  const printed = async (...flags: string[]): Promise<string> => {
    const { code, stdout } = await work.cellrun('review', run, ...flags);
    t.equal(code, 0);
    return stdout;
  };
  const parsed = JSON.parse(await printed('--json'));
  t.same(validateAgainst('review', parsed), []);
  t.equal(parsed.verdict, 'no gate');
  t.match(await printed('--format', 'text'), /^Review: not judged: no gate and no baseline\.$/m);
  t.match(await printed('--format', 'markdown'), /^## Review: not judged: no gate and no baseline$/m);
  t.match(await printed('--format', 'github'), /Review: not judged: no gate/);
  t.match(await printed('--gate', 'test.loss <= 100'), /^Review: passed\.$/m);
});

t.test('all formats have the same content', async t => {
  const printed = async (format: 'text' | 'json' | 'markdown' | 'junit'): Promise<[number, string]> => {
    const { code, stdout } = await work.cellrun('review', experiment, '--format', format);
    return [Number(code), stdout];
  };
  const [code, json] = await printed('json');
  t.equal(code, 3);
  const parsed = JSON.parse(json);
  t.same(validateAgainst('review', parsed), []);
  const { runs: reviews, groups } = parsed;
  const gates = [
    ...reviews.flatMap((run: { gates: object[] }) => run.gates),
    ...groups.flatMap((group: { gates: object[] }) => group.gates),
  ];
  const failed = gates.filter(({ verdict }) => verdict === 'failed').length;
  t.equal(failed, 3);
  const [, text] = await printed('text');
  t.equal(
    text.match(/^ {2}Gate test\.accuracy failed: [\d.]+ < 0\.99 \(.*small\.yaml:\d+:5\)\.$/gm)?.length,
    failed,
  );
  t.match(text, /^Review: failed\.$/m);
  const [, markdown] = await printed('markdown');
  t.equal(markdown.match(/^\| \*\*failed\*\* /gm)?.length, failed);
  t.equal(markdown.match(/^\| passed /gm)?.length, 3 + 3 + 1);
  const [, junit] = await printed('junit');
  t.equal(junit.match(/<failure /g)?.length, failed);
  t.equal(junit.match(/<testcase /g)?.length, 3 + gates.length);
  t.match(
    junit,
    new RegExp(
      `<testsuites name="cellrun review" tests="${3 + gates.length}" failures="${failed}" errors="0">`,
    ),
  );
});

t.test('curves in Markdown have the measured values', async t => {
  const reviewed = judge([runs[0]]);
  const markdown = markdownOf(reviewDocument(reviewed));
  const evaluations = readFileSync(join(runs[0], 'log.jsonl'), 'utf8')
    .split('\n')
    .filter(line => line.includes('"event":"eval"'))
    .map(line => JSON.parse(line));
  const charts = [
    ...markdown.matchAll(
      /```mermaid\n%%\{init: .*\}%%\nxychart-beta\n {2}title "(.*)"\n {2}x-axis "step" (\d+) --> (\d+)\n {2}line \[(.*)\]\n```/g,
    ),
  ];
  t.equal(charts.length, 2);
  t.same(
    charts[0][4].split(', ').map(Number),
    evaluations.map(({ loss }) => Number(loss.toPrecision(6))),
  );
  t.same([charts[0][2], charts[0][3]].map(Number), [2, 4]);
  const cut = markdownOf(reviewDocument(reviewed), 600);
  t.ok(Buffer.byteLength(cut) <= 600);
  t.match(cut, /\d+ more lines are left out\.\n$/);
  t.notMatch(cut, 'mermaid');
});

t.test('foreign text breaks out of no format', async t => {
  const evil = 'a|b\n::error::x <script>@me</script> ]]> \u0007 "q" & `c` %0A';
  const path = copyOf(runs[0], (summary, directory) => {
    summary.name = evil;
    Object.assign(summary, { status: 'failed', message: evil, gates: [] });
    appendFileSync(
      join(directory, 'log.jsonl'),
      `${JSON.stringify({ event: 'warning', code: 'x,y:z', message: evil, step: 1 })}\n`,
    );
  });
  const document = reviewDocument(judge([path]));
  const junit = junitOf(document);
  t.notMatch(junit, '<script');
  t.notMatch(junit, '\u0007');
  const annotations = annotationsOf(document);
  t.same(
    annotations.match(/^::/gm)?.length,
    4,
    'the run, its gate over seeds, one warning, the notes on the run',
  );
  t.match(annotations, /^::warning title=x%2Cy%3Az::.*%0A::error::x .*%250A$/m);
  const markdown = markdownOf(document);
  t.notMatch(markdown, /<script|[^\\]\|b/);
  t.notMatch(markdown, '@me');
  const { stdout } = await work.cellrun('review', path);
  t.notMatch(stdout, /^::/m);
  t.notMatch(stdout, '\u0007');
});

t.test('test cases have unique names, the same in every review', async t => {
  const gates = ['test.loss <= 100', 'test.loss >= 0.001', 'test.loss <= 100 over best', 'test.loss <= 100'];
  const again = copyOf(runs[0]);
  const cases = (...paths: string[]) =>
    [
      ...junitOf(reviewDocument(judge(paths, { gates }))).matchAll(
        /<testcase name="(.*?)" classname="(.*?)" time="(.*?)"/g,
      ),
    ].map(found => found.slice(1));
  const own = cases(runs[0]);
  t.same(
    own.slice(0, 7).map(([name]) => name),
    [
      'completed',
      'test.accuracy &gt;= 0.99',
      'test.loss over best &lt;= 100',
      'test.loss &lt;= 100',
      'test.loss &gt;= 0.001',
      'test.loss over best &lt;= 100 #2',
      'test.loss &lt;= 100 #2',
    ],
  );
  t.same([...new Set(own.map(([, classname]) => classname))], ['small.seed-0', 'small.over-seeds']);
  const { duration_s } = JSON.parse(readFileSync(join(runs[0], 'summary.json'), 'utf8'));
  t.equal(own[0][2], duration_s.toFixed(3));
  const both = cases(runs[0], again, runs[1]);
  t.equal(new Set(both.map(([name, classname]) => `${classname}/${name}`)).size, both.length);
  t.ok(both.some(([, classname]) => classname === 'small.seed-0.2'));
});

t.test('annotations point to the gate in the workspace, no more than GitHub shows', async t => {
  const reviewed = judge([runs[0]]);
  const at = (workspace: string) => annotationsOf(reviewDocument(reviewed), workspace);
  const line = Number(/small\.yaml:(\d+):5/.exec(reviewed.review.runs[0].gates[0].origin)?.[1]);
  t.equal(readFileSync(config, 'utf8').split('\n')[line - 1].trim(), '{', 'the line of the gate');
  t.match(
    at(folder),
    new RegExp(`^::error file=small\\.yaml,line=${line},col=5,title=gate test\\.accuracy::`, 'm'),
  );
  t.match(
    at(join(folder, 'experiments')),
    /^::error title=gate test\.accuracy::.*small\.yaml:\d+:5/m,
    'outside: only in words',
  );
  // a checkout elsewhere, as in a job that downloads the runs: the file whose path ends the same,
  // if it has that gate at that position
  const checkout = work.folder();
  const elsewhere = join(checkout, basename(folder));
  mkdirSync(elsewhere);
  cpSync(config, join(elsewhere, 'small.yaml'));
  t.match(
    at(checkout),
    new RegExp(`^::error file=${basename(folder)}/small\\.yaml,line=${line},col=5,`, 'm'),
  );
  writeFileSync(join(checkout, 'small.yaml'), `# another file\n${readFileSync(config, 'utf8')}`);
  t.match(at(checkout), new RegExp(`^::error file=${basename(folder)}/small\\.yaml,`, 'm'), 'not the first');
  rmSync(elsewhere, { recursive: true });
  cpSync(config, join(checkout, 'small.yaml'));
  t.match(at(checkout), new RegExp(`^::error file=small\\.yaml,line=${line},`, 'm'));
  const pinned = join(work.folder(), 'b.json');
  judge(runs, { pin: pinned });
  const pin = JSON.parse(readFileSync(pinned, 'utf8'));
  pin.metrics['test.accuracy'].mean = pin.metrics['test.accuracy'].by_seed[0] = 2;
  pin.metrics['test.loss'].mean = pin.metrics['test.loss'].by_seed[0] = -1;
  writeFileSync(pinned, JSON.stringify(pin));
  const against = (run: string, checkout: string) =>
    annotationsOf(reviewDocument(judge([run], { baseline: pinned })), checkout);
  const error = (file: string, place: string, metric: string) =>
    new RegExp(`^::error file=${file},${place},title=gate test\\.${metric} against`, 'm');
  t.match(against(runs[0], folder), error('small\\.yaml', `line=${line},col=5`, 'accuracy'), 'at its gate');
  const free = copyOf(runs[0], withoutGates);
  const lines = readFileSync(config, 'utf8').split('\n');
  const named = lines.findIndex(one => one.includes('"test.loss"')) + 1;
  t.match(against(free, folder), error('small\\.yaml', `line=${named}`, 'loss'), 'at its name');
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, 'small.yaml'), '# test.loss\nname: small\nloss: { kind: mse }\n');
  const there = `${basename(folder)}/small\\.yaml`;
  t.match(against(free, checkout), error(there, 'line=3', 'loss'), 'without its split');
  t.match(against(free, checkout), error(there, 'line=1', 'accuracy'), 'nowhere');
  const many = judge([runs[0]], { gates: Array.from({ length: 30 }, (_, i) => `test.loss >= ${1000 + i}`) });
  const annotations = annotationsOf(reviewDocument(many), folder);
  t.equal(annotations.match(/^::error /gm)?.length, 10);
  t.match(annotations, /^22 more verdicts that did not pass are not annotated\.$/m);
  const summary = join(work.folder(), 'summary.md');
  writeFileSync(summary, 'before\n');
  writeJobSummary(reviewDocument(reviewed), { GITHUB_STEP_SUMMARY: summary });
  const env = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary };
  writeJobSummary(reviewDocument(reviewed), env);
  t.equal(readFileSync(summary, 'utf8'), `before\n${markdownOf(reviewDocument(reviewed))}`);
  writeFileSync(summary, 'x'.repeat(2 ** 20 - 700));
  writeJobSummary(reviewDocument(reviewed), env);
  t.ok(readFileSync(summary).length <= 2 ** 20);
  for (const left of [0, 1, 6, 99, 100, 101]) {
    writeFileSync(summary, 'x'.repeat(2 ** 20 - left));
    t.same(writeJobSummary(reviewDocument(reviewed), env), []);
    t.ok(readFileSync(summary).length <= 2 ** 20, `${left} bytes left`);
  }
  // a summary that cannot be written is a warning
  const [wrong] = writeJobSummary(reviewDocument(reviewed), { ...env, GITHUB_STEP_SUMMARY: folder });
  t.match(wrong, { file: folder, message: /cannot be written/ });
});

t.test('the verb, also as a process', async t => {
  const passing = await work.cellrun('review', copyOf(runs[0], withoutGates));
  t.equal(passing.code, 0, passing.stderr);
  const seeds = await work.start('review', experiment, '--json').finished;
  t.equal(seeds.code, 3);
  t.same(validateAgainst('review', JSON.parse(seeds.stdout)), []);
  const wrong = await work.cellrun('review', runs[0], '--gate', 'test.acuracy >= 1');
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, /^--gate:1:1: there is no metric test\.acuracy\n/);
});

t.test('the example workflows use only existing verbs and options', async t => {
  for (const name of ['github', 'gitlab']) {
    const text = readFileSync(`configs/ci/${name}.yaml`, 'utf8');
    t.equal(parseDocument(text).errors.length, 0);
    const commands = [...text.matchAll(/\.\/run (.*?)(?: \|\||; done|$)/gm)].map(([, words]) =>
      words.replace(/ > \S+$/, ''),
    );
    t.ok(commands.length >= 3);
    for (const command of commands) {
      const [verb, ...rest] = command.split(' ');
      const file = [verb, ...rest].find(word => word.startsWith('configs/'));
      if (file !== undefined) t.ok(existsSync(file), file);
      const { code, stdout } = await work.cellrun(verb.endsWith('.yaml') ? 'run' : verb, '--help');
      t.equal(code, 0, command);
      for (const flag of rest.filter(word => word.startsWith('--')))
        t.ok(stdout.includes(`${flag} `), `${verb} ${flag}`);
    }
  }
});
