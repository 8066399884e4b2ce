package shop

// categories are the categories of the catalog, in the order of the page.
var categories = []string{"notebooks", "pens", "paper", "desk"}

// seedStock is the stock of each product in a new shop. It is enough for every load test.
const seedStock = 1_000_000

// seedProducts are the products of a new shop.
var seedProducts = []Product{
	{"dot-grid", "notebooks", "Dot Grid", "A5, 160 pages, opens flat and stays so.", 14_90},
	{"field-notes", "notebooks", "Field Book", "Fits a back pocket; survives the rain.", 7_50},
	{"ledger", "notebooks", "Ledger", "Ruled columns for sums that have to be right.", 22_00},
	{"music-book", "notebooks", "Music Book", "Twelve staves a page, 96 pages.", 11_80},
	{"reporter", "notebooks", "Reporter", "Spiral at the top, for the standing and the quick.", 5_20},
	{"sketchbook", "notebooks", "Sketchbook", "Heavy paper that takes ink on both sides.", 18_40},

	{"brush-pen", "pens", "Brush Pen", "From a hairline to a broad stroke.", 6_90},
	{"drafting-pencil", "pens", "Drafting Pencil", "0.5 mm, with a grip of knurled brass.", 16_00},
	{"fineliner", "pens", "Fineliner", "0.3 mm, waterproof, black.", 3_40},
	{"fountain-pen", "pens", "Fountain Pen", "Steel nib, medium, refillable.", 34_00},
	{"ink-blue", "pens", "Ink, Harbour Blue", "50 ml in a heavy glass.", 12_50},
	{"red-pencil", "pens", "Red Pencil", "For those who mark the work of others.", 1_80},

	{"envelopes", "paper", "Envelopes", "Twenty-five, lined, with a deep flap.", 9_60},
	{"letter-paper", "paper", "Letter Paper", "Fifty sheets of cotton paper.", 13_20},
	{"marbled", "paper", "Marbled Sheet", "50 x 70 cm; no two are alike.", 8_80},
	{"origami-100", "paper", "Origami, 100 Sheets", "15 cm squares in ten colours.", 6_40},
	{"paper-tape", "paper", "Paper Tape", "Tears by hand, holds for years.", 3_90},
	{"wrapping", "paper", "Wrapping Paper", "Three metres, kraft, with a printed fold guide.", 5_60},

	{"blotter", "desk", "Desk Blotter", "Felt and leather, 60 x 40 cm.", 48_00},
	{"bone-folder", "desk", "Bone Folder", "For a crease that looks as if it grew there.", 9_90},
	{"clips", "desk", "Brass Clips", "A dozen in a tin.", 7_20},
	{"desk-lamp", "desk", "Desk Lamp", "Warm light, one joint, no screen.", 89_00},
	{"paperweight", "desk", "Paperweight", "A kilogram of polished basalt.", 27_50},
	{"scissors", "desk", "Long Scissors", "23 cm, made for paper and for nothing else.", 31_00},
}
