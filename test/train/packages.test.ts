/** The packages that the product is made of do its work in a run of the reference experiment. */
import { createRequire } from 'node:module';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { gpuLibrary } from '../../src/engine/kernels.js';
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
  const loggers = counted(pino, 'pino');
  const experiment = validatorFile('experiment');
  require(experiment);
  const module = require.cache[require.resolve(experiment)]!;
  const validated = counted(module as never, 'exports');
  const set = ['dataset.limit=20', 'training.max_steps=1', 'gates=[]'];
  const loaded = loadExperiment(`${packageRoot}/configs/mnist-lstm.yaml`, { set });
  await runExperiment(
    loaded,
    {
      ...{ backend: 'webasm', threads: 1, output: work.folder(), commandLine: [] },
      ...{ started: new Date(), signal: new AbortController().signal },
    },
    silentObserver,
  );
  t.ok(composed() > 0, 'yaml parses the config');
  t.ok(validated() > 0, 'a function of ajv validates it');
  t.ok(created() > 10, `gpu.js creates ${created()} kernels`);
  t.equal(loggers(), 1, 'pino opens the log');
});
