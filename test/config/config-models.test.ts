import t from 'tap';
import { checkAgainstData } from '../../src/config/data-check.js';
import { loadExperiment } from '../../src/config/index.js';
import { effectsOf } from '../../src/config/key-facts.js';
import { branchesOf, schemaAt } from '../../src/config/schema/schema.js';
import type { Dataset } from '../../src/data/core/dataset.js';
import { layersOf } from '../../src/math/model/settings.js';
import { classData, writerIn } from '../support/config-texts.js';
import { failure } from '../support/failure.js';

const scratch = t.testdir({});
const write = writerIn(scratch);

const config = (
  model: string,
  training = 'num_epochs: 1, batch_size: 4, shuffle: false',
): string => `version: 1
name: models
dataset: { kind: npz, path: a.npz }
model: ${model}
loss: { kind: cross_entropy }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { ${training} }
`;
const load = (model: string, ...set: string[]) => loadExperiment(write('model.yaml', config(model)), { set });
const modelOf = (model: string, ...set: string[]) => load(model, ...set).experiment.model;

/**
 * Each problem of a config as its code, the text that it points to, message, expected value and
 * suggestion.
 */
function complaints(model: string, training?: string, ...set: string[]): string[] {
  const path = write('wrong.yaml', config(model, training));
  return failure(() => loadExperiment(path, { set })).diagnostics.map(d =>
    [
      d.code.replace('config/', ''),
      d.source?.slice((d.column ?? 1) - 1, (d.column ?? 1) - 1 + (d.length ?? 1)),
      d.message,
      d.expected,
      d.suggestion,
    ].join(' | '),
  );
}

const HEAD = { from: 'last', hidden_sizes: [], activation: 'relu', dropout: 0 };

t.test('equal layers repeat one layer', async t => {
  const model = modelOf('{ cell: lstm, hidden_size: 8, num_layers: 3, bidirectional: true, dropout: 0.25 }');
  t.same(model, {
    cell: 'lstm',
    hidden_size: 8,
    layer_norm: false,
    bidirectional: true,
    num_layers: 3,
    dropout: 0.25,
    head: HEAD,
  });
  const layer = { cell: 'lstm', hidden_size: 8, layer_norm: false, bidirectional: true };
  t.same(layersOf(model), [layer, layer, layer]);
  t.same(layersOf(modelOf('{ cell: rnn, hidden_size: 8 }')), [
    { cell: 'rnn', hidden_size: 8, nonlinearity: 'tanh', bidirectional: false },
  ]);
  const all = `{ cell: gru, hidden_size: 8, embedding: { size: 3, num_symbols: 5 }, num_classes: 3, init_from: w,
    head: { from: mean, hidden_sizes: [4, 3], activation: tanh, dropout: 0.5 } }`;
  t.same(
    layersOf(modelOf(all)),
    [{ cell: 'gru', hidden_size: 8, bidirectional: false }],
    'nothing of the model',
  );
  t.match(modelOf(all), {
    embedding: { size: 3, num_symbols: 5 },
    head: { from: 'mean', hidden_sizes: [4, 3], activation: 'tanh', dropout: 0.5 },
  });
});

t.test('listed layers have their own defaults', async t => {
  const model = modelOf(
    '{ layers: [{ cell: lstm, hidden_size: 8, projection_size: 3 }, { cell: rnn, hidden_size: 4 }] }',
  );
  t.same(model, {
    layers: [
      { cell: 'lstm', hidden_size: 8, projection_size: 3, layer_norm: false, bidirectional: false },
      { cell: 'rnn', hidden_size: 4, nonlinearity: 'tanh', bidirectional: false },
    ],
    dropout: 0,
    head: HEAD,
  });
  t.equal(layersOf(model), 'layers' in model && model.layers);
});

t.test('each cell has the same keys in both forms of a model', async t => {
  const layer = schemaAt(['model', 'layers', 0], undefined);
  const cells = (layer && branchesOf(layer)?.branches) ?? [];
  t.ok(cells.length >= 4);
  for (const { tag, schema } of cells) {
    const [alone] = layersOf(modelOf(`{ cell: ${tag}, hidden_size: 5 }`));
    t.same([alone], layersOf(modelOf(`{ layers: [{ cell: ${tag}, hidden_size: 5 }] }`)), tag);
    for (const key of Object.keys(schema.properties ?? {})) {
      t.ok(schemaAt(['model', key], { model: { cell: tag } }), `${tag}: ${key}`);
      t.same(effectsOf(`model.layers.0.${key}`, {}), effectsOf(`model.${key}`, {}));
      t.not(effectsOf(`model.${key}`, {})[0], 'unknown');
    }
  }
  t.match(complaints('{ kind: lstm, hidden_size: 8 }'), [
    /^missing-key \| kind \| the key `cell` is missing in `model` \| `cell`: lstm \| gru \| .*\| cell$/,
  ]);
  t.match(complaints('{ layers: [{ hidden_size: 8 }] }'), [
    /^missing-key .* the key `cell` is missing in `model\.layers\.0` \| `cell`: lstm \| gru/,
  ]);
  t.match(complaints('{ cell: gruu, hidden_size: 8 }'), [/^unknown-kind \| gruu .*\| gru$/]);
  t.match(complaints('gru'), [
    /^type \| gru .*a mapping with `layers`, or a mapping with `cell`: lstm.*\{ cell: gru \}$/,
  ]);
});

t.test('listed and equal layers cannot be combined', async t => {
  t.match(complaints('{ layers: [] }'), [
    /^length \| \[\] \| `model\.layers` must not have fewer than 1 items/,
  ]);
  const both =
    '{ layers: [{ cell: gru, hidden_size: 8 }], cell: gru, hidden_size: 8, num_layers: 2, bidirectional: true }';
  t.match(complaints(both), [
    /^unknown-key \| cell \| .* it cannot be combined with the other keys here/,
    /^unknown-key \| hidden_size \| .* it cannot be combined with the other keys here/,
    /^unknown-key \| num_layers \| .* it cannot be combined with the other keys here/,
    /^unknown-key \| bidirectional \| .* it cannot be combined with the other keys here/,
  ]);
  t.match(complaints('{ cell: gru, hidden_size: 8, layers: 2 }'), [
    /^unknown-key \| layers .*\| num_layers$/,
  ]);
  t.match(complaints('{ layers: [{ cell: gru, hidden_size: 8, num_layers: 2 }] }'), [
    /^unknown-key \| num_layers/,
  ]);
  t.match(complaints('{ layers: [{ cell: gru, hidden_size: 0 }, { cell: gru }] }'), [
    /^range \| 0 \| `model\.layers\.0\.hidden_size` must be >= 1/,
    /^missing-key .* the key `hidden_size` is missing in `model\.layers\.1`/,
  ]);
});

t.test('--set and extends remove keys of the other form', async t => {
  const equal = '{ cell: lstm, hidden_size: 8, projection_size: 3, num_layers: 2, dropout: 0.5 }';
  t.match(modelOf(equal, 'model.bidirectional=true'), { bidirectional: true, projection_size: 3 });
  const listed = 'model.layers=[{cell: gru, hidden_size: 3}, {cell: rnn, hidden_size: 4}]';
  const gru = { cell: 'gru', hidden_size: 3, bidirectional: false };
  const rnn = { cell: 'rnn', hidden_size: 4, nonlinearity: 'tanh', bidirectional: false };
  t.same(modelOf(equal, listed), { layers: [gru, rnn], dropout: 0.5, head: HEAD });
  t.same(
    modelOf(equal, 'model.layers.1.bidirectional=true', listed),
    modelOf(equal, listed, 'model.layers[1].bidirectional=true'),
  );
  t.match(modelOf(equal, 'model.layers.1.bidirectional=true', listed), {
    layers: [gru, { ...rnn, bidirectional: true }],
  });
  t.match(modelOf(equal, listed, 'model.layers.0.cell=lstm'), {
    layers: [{ cell: 'lstm', layer_norm: false }, rnn],
  });
  t.same(
    layersOf(modelOf(equal, 'model.cell=gru')),
    [gru, gru].map(layer => ({ ...layer, hidden_size: 8 })),
  );
  const mixed = '{ layers: [{ cell: lstm, hidden_size: 8 }], dropout: 0.5 }';
  t.same(modelOf(mixed, 'model.cell=gru', 'model.hidden_size=3'), {
    ...gru,
    num_layers: 1,
    dropout: 0.5,
    head: HEAD,
  });
  t.match(complaints(mixed, undefined, 'model.hidden_size=3'), [
    /^unknown-key \| hidden_size \| .*cannot be combined with the other keys here/,
  ]);

  const base = write('base.yaml', config(equal));
  const derived = write(
    'derived.yaml',
    `extends: ${base}\nmodel: { layers: [{ cell: gru, hidden_size: 3 }] }\n`,
  );
  t.same(loadExperiment(derived).experiment.model, { layers: [gru], dropout: 0.5, head: HEAD });
  const back = write('back.yaml', `extends: ${derived}\nmodel: { cell: gru, hidden_size: 3 }\n`);
  t.same(loadExperiment(back).experiment.model, { ...gru, num_layers: 1, dropout: 0.5, head: HEAD });
});

t.test('keys that cannot be combined with layer norm, projections and carried state', async t => {
  t.match(complaints('{ cell: lstm, hidden_size: 8, projection_size: 8 }'), [
    /^projection-size \| 8 \| `projection_size` must be less than `hidden_size` \(8\) /,
  ]);
  t.match(
    complaints(
      '{ layers: [{ cell: gru, hidden_size: 1 }, { cell: lstm, hidden_size: 8, projection_size: 3, layer_norm: true }] }',
    ),
    [/^layer-norm \| layer_norm \| `projection_size` and `layer_norm` cannot be combined/],
  );
  const carrying = 'num_epochs: 1, batch_size: 4, carry_state: true';
  t.match(complaints('{ cell: gru, hidden_size: 8 }', carrying), [
    /^carry-state \| carry_state .* row b .* so `shuffle` must be false/,
  ]);
  t.match(complaints('{ cell: gru, hidden_size: 8 }', `${carrying}, shuffle: true, bucket_by_length: true`), [
    /^carry-state \| shuffle /,
    /^carry-state \| bucket_by_length /,
  ]);
  t.match(complaints('{ cell: gru, hidden_size: 8, bidirectional: true }', `${carrying}, shuffle: false`), [
    /^carry-state \| bidirectional \| with `carry_state`, .* so `bidirectional` must be false/,
  ]);
  t.match(
    complaints(
      '{ layers: [{ cell: gru, hidden_size: 8 }, { cell: rnn, hidden_size: 8, bidirectional: true }] }',
      `${carrying}, shuffle: false`,
    ),
    [/^carry-state \| bidirectional /],
  );
  t.ok(load('{ cell: gru, hidden_size: 8, head: { from: every } }', 'training.carry_state=true'));
});

t.test('warns of keys without effect', async t => {
  const data = classData(9, 9);
  const uneven: Dataset = { ...data, train: { ...data.train, lengths: Int32Array.of(5, 4) } };
  const warnings = (model: string, train = uneven, ...set: string[]) =>
    checkAgainstData(load(model, ...set), train).warnings.map(d => `${d.code} ${d.message}`);
  t.same(
    warnings(
      '{ cell: gru, hidden_size: 8, num_layers: 2, dropout: 0.5, head: { hidden_sizes: [3], dropout: 0.5 } }',
    ),
    [],
  );
  t.match(warnings('{ cell: gru, hidden_size: 8, dropout: 0.5, head: { dropout: 0.5 } }'), [
    /^config\/no-dropout `model\.dropout` has no effect: it applies between recurrent layers/,
    /^config\/no-dropout `model\.head\.dropout` has no effect: it applies to the layers of `hidden_sizes`/,
  ]);
  t.same(warnings('{ cell: gru, hidden_size: 8 }', uneven, 'training.bucket_by_length=true'), []);
  t.match(warnings('{ cell: gru, hidden_size: 8 }', data, 'training.bucket_by_length=true'), [
    /^data\/one-length .*`bucket_by_length` has no effect/,
  ]);
  const targets = { kind: 'sequence', numClasses: 3, size: 2, values: Int32Array.of(0, 1, 2, -100) } as const;
  const written: Dataset = { ...data, train: { ...data.train, count: 2, targets } };
  t.same(
    warnings('{ cell: gru, hidden_size: 8 }', written, 'training.bucket_by_length=true').filter(one =>
      one.startsWith('data/one-length'),
    ),
    [],
    'batches are of target lengths, too',
  );
});
