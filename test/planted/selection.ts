/**
 * Errors in what selects by a validation split: early stopping, the best weights, the final test.
 */
import type { Plant } from './plant.js';

export const selection: readonly Plant[] = [
  {
    file: 'src/train/early-stopping',
    find: '.stale >= settings.patience',
    replace: '.stale > settings.patience',
    why: 'training goes on for one evaluation too many',
    tests: ['validation'],
  },
  {
    file: 'src/train/early-stopping',
    find: '(value - best) > min_delta',
    replace: '(value - best) >= min_delta',
    why: 'an equal value counts as an improvement',
    tests: ['validation'],
  },
  {
    file: 'src/train/loop',
    find: "evaluation.dataset.validation ? 'validation' : 'test'",
    replace: "evaluation.dataset.validation ? 'test' : 'test'",
    why: 'the test split selects although there is a validation split',
    tests: ['validation'],
  },
  {
    file: 'src/train/checkpoints',
    find: '...(Object.keys(history).length > 0 && { history })',
    replace: '...(Object.keys(history).length < 0 && { history })',
    why: 'a resumed run counts its patience from zero',
    tests: ['validation'],
  },
  {
    file: 'src/train/checkpoints',
    find: 'bestOf(listCheckpoints(folder))',
    replace: 'listCheckpoints(folder).at(-1)',
    why: 'the last weights are restored in place of the best',
    tests: ['validation'],
  },
  {
    file: 'src/run/log',
    find: "hasValidation && isEvaluation(event) && event.split === 'test'",
    replace: "!hasValidation && isEvaluation(event) && event.split === 'test'",
    why: 'a longer run keeps the test evaluation of its old end',
    tests: ['validation'],
  },
];
