/** Output to streams, and messages about exhausted resources. */
import { join } from 'node:path';
import t from 'tap';
import { exhausted } from '../../src/cli/call.js';
import { resumeHint } from '../../src/cli/command/command-line.js';
import { processIo } from '../../src/cli/terminal/io.js';
import { csvLine, plainMarkdown } from '../../src/util/table.js';
import { formatAnnotations } from '../../src/view/github.js';
import { main } from '../support/in-process.js';
import { execute } from '../support/programs.js';
import { longerConfig, randomDataset } from '../support/runs.js';
import { work } from '../support/work.js';

const program = `"${process.execPath}" "${main}"`;
const surroundings = { cwd: work.path, env: { PATH: process.env.PATH, HOME: work.path } };
const onlyLinux = process.platform === 'linux' ? false : 'only Linux tells';
const data = work.file('data.npz', randomDataset('test/outputs', { train: 64, test: 20, seed: 1 }));
const small = longerConfig(data, 1);

t.test('an exhausted resource is named with the part that needs it', { skip: onlyLinux }, async t => {
  const run = `${program} run ${work.config(small)} --backend webasm --quiet --output ${work.folder()}`;
  const memory = await execute('bash', ['-c', `ulimit -v 4000000; ${run}`], surroundings);
  t.match(memory, { code: 1, stderr: /^cellrun: the kernels' memory, .* not enough memory \(`ulimit -v`/ });
  for (const files of [22, 24]) {
    const { code, stderr = '' } =
      (await execute('bash', ['-c', `ulimit -n ${files}; ${run}`], surroundings)) ?? {};
    t.equal(code, 1);
    t.match(stderr, /^cellrun: .*too many open files/, String(files));
    t.notMatch(stderr, /bug in cellrun|^ {4}at /m);
  }
  const words: [Error, RegExp][] = [
    [new RangeError('Array buffer allocation failed'), /^arrays for the data or the model: .*memory/],
    [
      Object.assign(new Error('EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' }),
      /^a worker thread \(.*ulimit -u/,
    ],
    [
      Object.assign(new Error('spawn git EAGAIN'), { code: 'EAGAIN', syscall: 'spawn git', path: 'git' }),
      /^git: .*ulimit -u/,
    ],
    [Object.assign(new Error('x'), { code: 'ERR_WORKER_OUT_OF_MEMORY' }), /^a worker thread: .*memory/],
  ];
  for (const [error, message] of words) t.match(exhausted(error), message);
  for (const error of [new RangeError('Invalid count value: -1'), new Error('EAGAIN'), new TypeError('x')])
    t.equal(exhausted(error), undefined);
});

t.test('names cannot break lines or act as formulas, links or escape sequences', async t => {
  const directory = join(work.folder(), 'a\n::error::b\u001b[2J');
  const { code, stdout, stderr } = await work.cellrun(
    'run',
    work.config(small),
    '--backend',
    'webasm',
    '--directory',
    directory,
  );
  t.equal(code, 0, stderr);
  t.notMatch(stdout + stderr, /^::error/m);
  t.notOk(`${stdout}${stderr}`.includes('\u001b'));

  const other = work.config({ ...small, description: 'b\u001b[2J\n::error::c', seed: 2 });
  const second = await work.cellrun('run', other, '--backend', 'webasm', '--directory', `${directory} 2`);
  t.equal(second.code, 0, second.stderr);
  const table = work.file('names.csv', '"a\u001b[2J","b\n::error::c"\n1,2\n3,4\n5,6\n');
  const config = join(work.folder(), 'c\n::error::.yaml');
  for (const words of [
    ['compare', directory, `${directory} 2`, '--all'],
    ['tag', directory, '--add', 'a'],
    ['report', directory],
    ['export', directory, '--format', 'safetensors'],
    ['export', directory, '--format', 'tensorboard'],
    ['review', directory],
    ['init', config, '--from', table],
    ['validate', config],
    ['config', 'diff', config, config],
  ]) {
    const { stdout, stderr } = await work.cellrun(...words);
    t.not(stdout, '', words[0]);
    t.notMatch(stdout + stderr, /^::error/m, words[0]);
    t.notOk(`${stdout}${stderr}`.includes('\u001b'), words[0]);
  }
  t.match(resumeHint('resume', directory), /\$'.*a\\x0a::error::b\\x1b\[2J'\n$/);
  t.match(
    formatAnnotations([{ code: 'a', message: 'x\u001b]0;y\u0007\nz' }], { file: 'f' }),
    /::x\ufffd\]0;y\ufffd%0Az\n$/,
  );
  t.equal(
    plainMarkdown('see https://evil.example or www.evil.example'),
    'see https&#58;//evil.example or www&#46;evil.example',
  );

  const line = (text: string, isRaw = false) => csvLine([0, text], isRaw).slice(2, -1);
  for (const text of ['=1+1', '@SUM(1)', '+a', '-a', '-2+3+cmd|x', '\tx'])
    t.match(line(text), `'${text}`, text);
  for (const text of ['-5', '+1.5e3', '-.5', 'a=b', '']) t.equal(line(text), text, text);
  t.equal(line('=1+1', true), '=1+1', 'unless it is switched off');
});

t.test('a terminal gets no control characters; pipes get data as they are', t => {
  const io = (isTTY: boolean) => {
    const text = { out: '', err: '' };
    const stream = (name: 'out' | 'err') => ({
      isTTY,
      on: () => {},
      write: (more: string) => {
        text[name] += more;
      },
    });
    return { text, ...processIo({ stdout: stream('out'), stderr: stream('err'), env: {} }, false) };
  };
  const evil = 'a\u001b]0;b\u0007\u009b2J\r\u202e\tc\n';
  const harmless = 'a\ufffd]0;b\ufffd\ufffd2J\ufffd\ufffd\tc\n';
  const [terminal, pipe] = [io(true), io(false)];
  for (const { out, data, err } of [terminal, pipe]) {
    out(evil);
    data(evil);
    err(`\u001b[2A\r\u001b[J\u001b[31m${evil}\u001b[39m`);
  }
  t.same(terminal.text, {
    out: harmless.repeat(2),
    err: `\u001b[2A\r\u001b[J\u001b[31m${harmless}\u001b[39m`,
  });
  t.same(pipe.text, {
    out: harmless + evil,
    err: `\u001b[2A\r\u001b[J\ufffd[31m${harmless}\ufffd[39m`,
  });
  t.end();
});
