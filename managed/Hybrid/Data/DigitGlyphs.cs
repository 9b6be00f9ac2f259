using System.Numerics;

namespace Hybrid.Data;

/// <summary>How the ten digits are written: for each, the ways people write it, and for each way its strokes. A stroke is a smooth curve through
/// points of the unit square, x to the right, y down; a sharp corner is where one stroke ends and the next begins.</summary>
static class DigitGlyphs
{
    public static ReadOnlySpan<Vector2[][]> Variants(int digit) => All[digit];

    static readonly Vector2[][][][] All =
    [
        [   // 0: an oval, closed; a rounder one that overlaps itself
            [Stroke(.50f, .08f, .30f, .17f, .21f, .45f, .27f, .76f, .48f, .92f, .70f, .80f, .79f, .50f, .72f, .20f, .50f, .08f)],
            [Stroke(.58f, .12f, .32f, .16f, .18f, .44f, .24f, .74f, .46f, .90f, .72f, .78f, .80f, .46f, .68f, .18f, .46f, .10f, .36f, .17f)],
        ],
        [   // 1: a bar; a bar with a flag; with a flag and a foot
            [Stroke(.50f, .08f, .50f, .50f, .49f, .92f)],
            [Stroke(.31f, .30f, .42f, .20f, .53f, .08f), Stroke(.53f, .08f, .53f, .50f, .53f, .92f)],
            [Stroke(.32f, .28f, .42f, .20f, .52f, .08f), Stroke(.52f, .08f, .52f, .50f, .52f, .91f), Stroke(.30f, .91f, .52f, .91f, .74f, .91f)],
        ],
        [   // 2: with a corner at the foot; with a loop at the foot
            [Stroke(.22f, .30f, .31f, .14f, .50f, .08f, .70f, .15f, .75f, .33f, .62f, .55f, .42f, .74f, .21f, .90f), Stroke(.21f, .90f, .50f, .90f, .80f, .89f)],
            [Stroke(.24f, .26f, .36f, .12f, .58f, .10f, .72f, .24f, .68f, .46f, .48f, .70f, .27f, .86f, .22f, .78f, .34f, .74f, .52f, .86f, .68f, .91f, .82f, .84f)],
        ],
        [   // 3: two bows; a flat top and a bow
            [Stroke(.25f, .18f, .42f, .08f, .64f, .12f, .71f, .28f, .60f, .43f, .42f, .48f), Stroke(.42f, .48f, .64f, .52f, .76f, .68f, .66f, .86f, .44f, .92f, .22f, .83f)],
            [Stroke(.24f, .11f, .50f, .10f, .74f, .11f), Stroke(.74f, .11f, .60f, .27f, .45f, .42f), Stroke(.45f, .42f, .66f, .46f, .77f, .64f, .68f, .84f, .46f, .92f, .23f, .84f)],
        ],
        [   // 4: open; closed; with a short stem
            [Stroke(.34f, .09f, .28f, .32f, .20f, .56f), Stroke(.20f, .56f, .50f, .55f, .83f, .54f), Stroke(.66f, .26f, .64f, .60f, .62f, .92f)],
            [Stroke(.62f, .08f, .42f, .34f, .18f, .62f), Stroke(.18f, .62f, .50f, .62f, .85f, .61f), Stroke(.62f, .08f, .62f, .50f, .61f, .92f)],
            [Stroke(.30f, .10f, .24f, .30f, .28f, .48f, .46f, .52f, .70f, .48f), Stroke(.72f, .10f, .70f, .50f, .68f, .92f)],
        ],
        [   // 5: the roof drawn with the stem; the roof drawn last
            [Stroke(.76f, .10f, .54f, .10f, .33f, .11f), Stroke(.33f, .11f, .30f, .28f, .28f, .45f), Stroke(.28f, .45f, .48f, .38f, .70f, .47f, .77f, .67f, .64f, .86f, .42f, .92f, .22f, .84f)],
            [Stroke(.32f, .12f, .31f, .28f, .29f, .44f, .50f, .42f, .70f, .54f, .72f, .74f, .54f, .90f, .26f, .88f), Stroke(.32f, .12f, .55f, .13f, .80f, .09f)],
        ],
        [   // 6: a bent back; a straight one
            [Stroke(.68f, .10f, .46f, .20f, .30f, .42f, .24f, .66f, .34f, .88f, .56f, .91f, .73f, .77f, .68f, .58f, .50f, .52f, .33f, .60f, .26f, .72f)],
            [Stroke(.56f, .07f, .40f, .32f, .27f, .58f, .27f, .80f, .46f, .92f, .67f, .84f, .72f, .66f, .58f, .54f, .38f, .60f, .28f, .74f)],
        ],
        [   // 7: plain; with a bar; with a bent stem
            [Stroke(.20f, .12f, .50f, .12f, .79f, .11f), Stroke(.79f, .11f, .60f, .50f, .42f, .92f)],
            [Stroke(.20f, .13f, .50f, .12f, .80f, .11f), Stroke(.80f, .11f, .60f, .50f, .44f, .92f), Stroke(.36f, .52f, .54f, .51f, .73f, .50f)],
            [Stroke(.19f, .22f, .23f, .12f, .30f, .11f), Stroke(.30f, .11f, .54f, .13f, .78f, .10f), Stroke(.78f, .10f, .58f, .40f, .52f, .68f, .50f, .92f)],
        ],
        [   // 8: one line that crosses itself; two circles
            [Stroke(.70f, .20f, .52f, .08f, .32f, .16f, .33f, .34f, .52f, .48f, .71f, .64f, .70f, .83f, .50f, .92f, .29f, .83f, .30f, .64f, .50f, .48f, .67f, .35f, .70f, .20f)],
            [Stroke(.50f, .08f, .33f, .16f, .32f, .36f, .50f, .46f, .68f, .36f, .67f, .16f, .50f, .08f), Stroke(.50f, .46f, .29f, .56f, .26f, .78f, .49f, .92f, .73f, .78f, .71f, .56f, .50f, .46f)],
        ],
        [   // 9: a straight stem; a bent one
            [Stroke(.72f, .30f, .62f, .12f, .43f, .09f, .28f, .22f, .30f, .42f, .48f, .51f, .66f, .43f, .72f, .28f), Stroke(.72f, .26f, .70f, .60f, .66f, .92f)],
            [Stroke(.71f, .24f, .56f, .09f, .34f, .14f, .26f, .34f, .40f, .50f, .60f, .45f, .72f, .26f, .74f, .50f, .66f, .76f, .48f, .90f, .27f, .86f)],
        ],
    ];

    static Vector2[] Stroke(params ReadOnlySpan<float> xy)
    {
        var points = new Vector2[xy.Length / 2];
        for (int i = 0; i < points.Length; i++)
        {
            points[i] = new Vector2(xy[2 * i], xy[2 * i + 1]);
        }
        return points;
    }
}
