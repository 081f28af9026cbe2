/** The packages that the product is made of do its work in a run of the reference experiment. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { gpuLibrary } from '../../src/engine/kernels.js';
import { findRuns } from '../../src/run/find.js';
import { runExperiment } from '../../src/train/resume.js';
import { packageRoot, validatorFile } from '../../src/util/root.js';
import { Workplace } from '../support/cli.js';
import { silentObserver } from '../support/runs.js';

const require = createRequire(import.meta.url);

/** Counts the calls of `object[key]`, which stays what it was. */
function counted<K extends string>(object: Record<K, (...given: never[]) => unknown>, key: K): () => number {
  const calls = t.captureFn(object[key]);
  Object.assign(calls, object[key]);
  const before = object[key];
  object[key] = calls;
  t.teardown(() => {
    object[key] = before;
  });
  return () => calls.calls.length;
}

t.test('gpu.js, yaml, ajv and pino do the work of the reference run', async t => {
  const work = new Workplace();
  t.teardown(() => work.remove());
  const [yaml, pino] = ['yaml', 'pino'].map(name => require(name));
  const { GPU } = gpuLibrary();
  const composed = counted(yaml.Composer.prototype, 'compose');
  const created = counted(GPU!.prototype as never, 'createKernel');
  const { pino: openPino } = pino;
  const lines: string[] = [];
  pino.pino = (options: object, { write }: { write(line: string): void }) =>
    openPino(options, {
      write(line: string) {
        lines.push(line);
        write(line);
      },
    });
  t.teardown(() => {
    pino.pino = openPino;
  });
  const experiment = validatorFile('experiment');
  require(experiment);
  const module = require.cache[require.resolve(experiment)]!;
  const validated = counted(module as never, 'exports');
  const set = ['dataset.limit=20', 'training.max_steps=1', 'gates=[]'];
  const loaded = loadExperiment(`${packageRoot}/configs/mnist-lstm.yaml`, { set });
  const output = work.folder();
  await runExperiment(
    loaded,
    {
      ...{ backend: 'webasm', threads: 1, output, commandLine: [] },
      ...{ started: new Date(), signal: new AbortController().signal },
    },
    silentObserver,
  );
  t.ok(composed() > 0, 'yaml parses the config');
  t.ok(validated() > 0, 'a function of ajv validates it');
  t.ok(created() > 10, `gpu.js creates ${created()} kernels`);
  t.equal(
    lines.join(''),
    readFileSync(join(findRuns(output)[0].path, 'log.jsonl'), 'utf8'),
    'pino writes the log',
  );
  t.ok(lines.length > 5);
});
