/** Names of experiments, and paths of data and weights. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadExperiment } from '../../src/config/index.js';
import { openDataset } from '../../src/data/index.js';
import { ParameterLayout } from '../../src/math/model/parameters.js';
import { RunDirectory } from '../../src/run/directory.js';
import { loadWeights } from '../../src/train/weights.js';
import { modelOf } from '../support/models.js';
import type { HostileCase, Place } from './hostile.js';

const UPWARDS = [
  '..',
  '.',
  '',
  '../',
  '../../outside/x',
  '../outside',
  './../outside',
  'a/../../outside/x',
  '..\\outside',
  'a/..',
  '../root/../outside/x',
];
const ABSOLUTE = [
  '/',
  '/tmp/cellrun-hostile',
  '//outside',
  'C:\\x',
  'file:///tmp/x',
  '~',
  '~/x',
  '$HOME/x',
  '%2e%2e%2foutside',
  '\\\\server\\share',
];
const ODD = [
  'a/b',
  'a\\b',
  'a\u0000b',
  'a\u0000/../../outside',
  '\u0000',
  'a\nb',
  ' ',
  'a ',
  '-rf',
  '--output=x',
  '.hidden',
  '..hidden',
  'a..b',
  'é',
  '‥',
  '．．',
  'a\u202eb',
  'con',
  'nul.txt',
  'x'.repeat(101),
  'x'.repeat(5000),
  'sweeps',
  'SWEEPS',
  'verify',
  'a:b',
  'a|b',
  'a*',
  'a?',
  '`id`',
  '$(id)',
  ';',
  '&',
  '\uD800',
];
const NAMES = [...UPWARDS, ...ABSOLUTE, ...ODD];

const HASH = '0123456789abcdef'.repeat(4);

function create(name: string, outputRoot: string): RunDirectory {
  return RunDirectory.create({
    name,
    outputRoot,
    configHash: HASH,
    givenYaml: 'a: 1\n',
    resolvedYaml: 'a: 1\n',
    started: new Date(0),
  });
}

const CONFIG = {
  version: 1,
  dataset: { kind: 'npz', path: 'data.npz' },
  model: { cell: 'lstm', hidden_size: 2 },
  loss: { kind: 'cross_entropy' },
  optimizer: { kind: 'adam', learning_rate: 0.01 },
  training: { num_epochs: 1, batch_size: 2 },
};

/**
 * By the run's directory alone; by a config that says it; by `--set`; and the directory that a
 * loaded config leads to.
 */
export function nameCases(): HostileCase[] {
  return NAMES.flatMap((name): HostileCase[] => {
    const shown = JSON.stringify(name.slice(0, 40));
    const deeper = name.replaceAll('..', 'up').replace(/^[/~]+/, '');
    const below: HostileCase = {
      name: `output below ${shown}`,
      act: ({ root }) => create('x', join(root, 'deep', 'deeper', deeper)),
    };
    return [
      // the system takes no argument with a NUL in it
      ...(name.includes('\u0000') ? [] : [below]),
      { name: `directory ${shown}`, act: ({ root }) => create(name, root) },
      {
        name: `config ${shown}`,
        prepare: ({ root }) => writeFileSync(join(root, 'config.yaml'), JSON.stringify({ ...CONFIG, name })),
        act: ({ root }) => create(loadExperiment(join(root, 'config.yaml')).experiment.name, root),
      },
      {
        name: `--set name ${shown}`,
        prepare: ({ root }) =>
          writeFileSync(join(root, 'config.yaml'), JSON.stringify({ ...CONFIG, name: 'x' })),
        act: ({ root }) =>
          create(loadExperiment(join(root, 'config.yaml'), { set: [`name=${name}`] }).experiment.name, root),
      },
    ];
  });
}

const layout = new ParameterLayout(modelOf({ cell: 'lstm', hidden_size: 1 }, { outputSize: 2 }));

/** What is no file, or gives no end of bytes. */
const DEVICES = [
  '/dev/null',
  '/dev/zero',
  '/dev/full',
  '/dev/random',
  '/dev/tty',
  '/proc/self/mem',
  '/proc/kcore',
  '/proc/self/environ',
  '/proc/self/fd/0',
  '/',
];

/** Reading never writes, whatever it is pointed at. */
export function pathCases(): HostileCase[] {
  const paths = [...NAMES.filter(name => name.length < 4000), ...DEVICES];
  const reads: readonly (readonly [string, (path: string) => unknown])[] = [
    ['npz', path => openDataset({ kind: 'npz', path }, { seed: 0 })],
    [
      'csv',
      path =>
        openDataset(
          { kind: 'csv', path, test_fraction: 0.5, features: ['a'], target: 'y', target_kind: 'class' },
          { seed: 0 },
        ),
    ],
    ['init_from', path => loadWeights(path, layout, new Float32Array(layout.size))],
  ];
  return paths.flatMap(path =>
    reads.map(([kind, read]): HostileCase => {
      const shown = `${kind} at ${JSON.stringify(path.slice(0, 40))}`;
      return {
        name: shown,
        prepare: place => furnish(place),
        act: ({ root }) => read(path.startsWith('/') ? path : `${root}/${path}`),
      };
    }),
  );
}

/** Something at the end of some of the paths. */
function furnish({ root, outside }: Place): void {
  mkdirSync(join(root, 'a'));
  symlinkSync(join(outside, 'file'), join(root, 'é'));
  symlinkSync('-rf', join(root, '-rf'));
  symlinkSync(dirname(root), join(root, 'con'));
}
