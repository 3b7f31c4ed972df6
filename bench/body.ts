/** The request that is measured everywhere: 512 bytes, two disclosures. */

const SIZE = 512;

/** One request body of exactly 512 bytes. */
export function requestBody(): string {
  const make = (text: string) =>
    JSON.stringify({
      phase: 'completed',
      action: { type: 'tool.call', name: 'refund.approve', target: 'crm:order/17' },
      inputs: { prompt: text },
      outputs: { text: 'approved: the order was returned in full within the period, amount 12.00 EUR' },
      outcome: { status: 'succeeded', effect: 'confirmed' },
    });
  return make('x'.repeat(SIZE - make('').length));
}
