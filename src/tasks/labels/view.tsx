/** The evaluation of labels: the predictions furthest from their targets. */
import { TrueAndPredicted } from '../values/view.js';
import type { LabelReport } from './report.js';

interface Props {
  readonly report: LabelReport;
  readonly place: string;
}

export function LabelView({ report, place }: Props) {
  return <TrueAndPredicted values={{ ...report, pairs: [] }} place={place} />;
}
