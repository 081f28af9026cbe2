/** `predict` and `evaluate` of files whose sequences are separated by blank lines. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Workplace } from '../support/cli.js';
import { config, crossEntropy } from '../support/prediction-cases.js';

const PYTHON = '/usr/bin/python3';
const work = new Workplace();
t.teardown(() => work.remove());

const TAGS = { the: 'DET', a: 'DET', dog: 'NOUN', cat: 'NOUN', runs: 'VERB', sees: 'VERB' } as const;
const words = Object.keys(TAGS) as (keyof typeof TAGS)[];
/** Sentences of three to five words. */
const sentences = Array.from({ length: 20 }, (_, i) =>
  Array.from({ length: 3 + (i % 3) }, (_, k) => words[(i * i + 5 * k) % words.length]),
);
const rowsOf = (row: (word: keyof typeof TAGS, sentence: number) => string, between: string) =>
  sentences.map((list, i) => list.map(word => `${row(word, i)}\n`).join('')).join(between);

const skip = spawnSync(PYTHON, ['-c', '']).status !== 0 && 'Python is not installed';

t.test('the sentences of new files are numbered by a script', { skip }, async t => {
  const path = work.file(
    'tags.csv',
    `sentence,word,tag\n${rowsOf((word, i) => `${i},${word},${TAGS[word]}`, '')}`,
  );
  const dataset = {
    ...{ kind: 'csv', path, sequence: { group: 'sentence', per_step: true } },
    ...{ features: ['word'], input_kind: 'symbol', target: 'tag', target_kind: 'class', test_fraction: 0.2 },
  };
  const model = { cell: 'gru', hidden_size: 2, embedding: { size: 2 }, head: { from: 'every' } };
  const training = { num_epochs: 1, batch_size: 4 };
  const run = await work.train(config(dataset, crossEntropy, model, training));
  const whole = await work.cellrun('predict', run.directory, '--input', path);
  t.equal(whole.code, 0, whole.stderr);
  const { cwd } = work.place;
  const files = {
    'names.tsv': `word\ttag\n${rowsOf(word => `${word}\t${TAGS[word]}`, '\n')}`,
    'plain.tsv': rowsOf(word => `${word}\t${TAGS[word]}`, '\n'),
    'words.txt': rowsOf(word => word, '\n'),
  };
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(cwd, name), text);
    for (const verb of ['predict', 'evaluate']) {
      const { code, stderr } = await work.cellrun(verb, run.directory, '--input', name);
      const made = name.replace(/\..*/, '-numbered.csv');
      t.equal(code, 5, stderr);
      const [, script = '', next] =
        /\nNumber the sequences, .*:\n\n([\s\S]*)\nThen: .* (\w+ .*)\n$/.exec(stderr) ?? [];
      t.equal(next, `${verb} ${run.directory} --input ${made}`);
      const python = spawnSync(PYTHON, ['-c', script.replaceAll(/^ {4}/gm, '')], { cwd, encoding: 'utf8' });
      t.equal(python.stderr, '');
      if (verb === 'predict')
        t.match(await work.cellrun(verb, run.directory, '--input', made), { code: 0, stdout: /"id":"1"/ });
    }
  }
  const other = work.file('other.csv', `sentence,tag\n${rowsOf((word, i) => `${i},${TAGS[word]}`, '\n')}`);
  t.notMatch(await work.cellrun('predict', run.directory, '--input', other), { stderr: /Number the/ });
});
