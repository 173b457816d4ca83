"""Made-up products for benchmarks: as many as wanted, varied, and the same for the same seed."""

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

# ruff: noqa: E501 (a table)

# category | things | materials | uses | lowest price - highest price
_KINDS = """
Tools > Hand tools | claw hammer, screwdriver set, combination pliers, adjustable wrench, hand saw, wood chisel, spirit level, utility knife | chrome vanadium, forged steel, fibreglass, beech | hanging shelves, furniture assembly, carpentry, repairs around the house | 5-90
Tools > Power tools > Drills | hammer drill, drill driver, rotary hammer, impact driver, angle drill | brushless, corded, 12 V cordless, 18 V cordless | holes in concrete, holes in brick, driving long screws, drilling steel | 45-420
Tools > Power tools > Saws and sanders | jigsaw, circular saw, mitre saw, belt sander, orbital sander, angle grinder | corded, brushless, 18 V cordless, compact | cutting worktops, sanding floors, cutting tiles, smoothing doors | 39-520
Tools > Drill bits and accessories | masonry bit set, wood bit set, hole saw, screwdriver bit set, saw blade, sanding disc pack | carbide, cobalt, titanium coated, high-speed steel | clean holes in tiles, concrete walls, hardwood, stainless steel | 3-75
Tools > Fixings and hooks | wall plug set, wood screws, picture hooks, angle brackets, cable ties, threaded rod | zinc plated, nylon, stainless steel, brass | hanging pictures, decking, plasterboard, heavy shelves | 2-40
Kitchen > Cookware and baking | frying pan, saucepan, casserole, baking tray, loaf tin, wok, stockpot | cast iron, stainless steel, ceramic coated, copper | searing meat, slow stews, sourdough bread, pancakes | 12-240
Kitchen > Knives and boards | chef's knife, bread knife, paring knife, chopping board, knife block, sharpener | damascus steel, olive wood, bamboo, carbon steel | slicing vegetables, carving roasts, filleting fish, chopping herbs | 8-220
Kitchen > Coffee and tea | espresso machine, coffee grinder, teapot, pour-over kettle, moka pot, milk frother | borosilicate glass, stainless steel, enamel, porcelain | morning espresso, loose leaf tea, cappuccino, filter coffee | 9-690
Kitchen > Kitchen appliances | stand mixer, hand blender, toaster, air fryer, food processor, rice cooker | stainless steel, matt black, compact, retro | kneading dough, smoothies, crisp fries, weekday dinners | 19-480
Kitchen > Utensils and gifts | spice rack, apron, measuring spoons, pepper mill, cookbook stand, salad servers | acacia, linen, stainless steel, silicone | keen home cooks, dinner parties, barbecue evenings, tidy drawers | 5-80
Garden > Lawn and hedge | lawn mower, hedge trimmer, grass trimmer, leaf rake, lawn edger, scarifier | 36 V cordless, petrol, electric, lightweight | small lawns, overgrown hedges, autumn leaves, neat borders | 15-650
Garden > Planting and watering | garden hose, sprinkler, raised bed, watering can, seed tray, plant pot | galvanised, terracotta, recycled plastic, cedar | tomato plants, balcony boxes, dry summers, seedlings | 4-190
Garden > Furniture | bistro set, parasol, deck chair, garden bench, hammock, storage box | teak, acacia, powder-coated steel, rattan | warm evenings, small balconies, family lunches, shady corners | 25-900
Garden > Barbecue | kettle barbecue, gas grill, smoker, grill tongs set, fire bowl, charcoal starter | enamelled, stainless steel, cast iron, portable | summer parties, slow smoking, steaks, camping trips | 9-850
Outdoor > Tents and sleeping | dome tent, tunnel tent, sleeping bag, camping mat, hammock tent, bivvy bag | ripstop, down, synthetic, ultralight | mountain nights, festivals, long hikes, family camping | 25-620
Outdoor > Camping gear | camping stove, head torch, cool box, folding chair, water filter, lantern | titanium, aluminium, waterproof, collapsible | hot meals outside, dark trails, picnics, clean drinking water | 9-260
Outdoor > Backpacks and bags | hiking backpack, day pack, dry bag, travel duffel, waist pack, rucksack cover | ripstop, waterproof, canvas, recycled nylon | weekend hikes, commuting, kayak tours, carry-on travel | 12-280
Outdoor > Climbing | climbing rope, harness, belay device, chalk bag, quickdraw set, climbing shoes | dyneema, aluminium, leather, dry-treated | sport climbing, alpine routes, bouldering gyms, via ferrata | 10-320
Sports > Cycling | bike helmet, floor pump, bike light set, pannier bag, bike lock, multi-tool | reflective, hardened steel, waterproof, carbon | daily commuting, night rides, touring, roadside repairs | 8-240
Sports > Fitness | dumbbell set, yoga mat, kettlebell, resistance bands, skipping rope, foam roller | natural rubber, cast iron, cork, neoprene | strength at home, stretching, warm-ups, sore muscles | 7-350
Sports > Running | running shoes, running belt, reflective vest, trail shoes, compression socks, hydration vest | breathable, cushioned, merino, lightweight | marathon training, muddy trails, dark mornings, first five kilometres | 12-230
Sports > Winter sports | ski goggles, snowshoes, sledge, ski gloves, helmet, base layer | anti-fog, merino, insulated, aluminium | powder days, family sledging, icy winds, ski touring | 15-420
Electronics > Audio | wireless headphones, bluetooth speaker, soundbar, turntable, earbuds, microphone | noise-cancelling, waterproof, walnut, studio | music on the train, parties, film nights, podcasts | 15-640
Electronics > Batteries and chargers | power bank, USB charger, rechargeable batteries, solar charger, car charger, battery tester | GaN, lithium, NiMH, foldable | phones on the move, remote controls, laptops, camping weekends | 6-140
Electronics > Cables and adapters | HDMI cable, USB-C cable, network cable, audio adapter, extension lead, card reader | braided, gold-plated, shielded, flat | 4K televisions, fast charging, home networks, old stereo systems | 3-70
Electronics > Computers and printing | laser printer, mechanical keyboard, wireless mouse, monitor arm, webcam, docking station | compact, ergonomic, aluminium, silent | working from home, long typing sessions, video calls, tidy desks | 12-580
Electronics > Phones | phone case, screen protector, phone holder, wireless charger, selfie tripod, smartwatch strap | tempered glass, leather, silicone, magnetic | clumsy hands, navigation in the car, travel photos, bedside tables | 5-120
Electronics > Cameras | action camera, tripod, memory card, camera bag, macro lens, dash cam | carbon, waterproof, padded, wide-angle | diving holidays, night skies, insects up close, road trips | 12-890
Home > Lighting | desk lamp, floor lamp, LED bulb, pendant light, night light, string lights | brass, dimmable, oak, linen | reading in bed, dark corners, dining tables, cosy evenings | 4-320
Home > Bedding and textiles | duvet, pillow, fitted sheet, blanket, curtain, bath towel | organic cotton, linen, down, bamboo | hot sleepers, cold winters, guest rooms, sensitive skin | 9-290
Home > Cleaning and laundry | vacuum cleaner, steam iron, mop set, drying rack, laundry basket, window cleaner | cordless, bagless, foldable, microfibre | pet hair, small flats, streak-free windows, crisp shirts | 6-460
Home > Decoration and living | wall clock, picture frame, vase, rug, mirror, scented candle | handmade, oak, ceramic, wool | bare walls, hallways, house-warming gifts, calm bedrooms | 7-380
Home > Storage | shelf unit, storage box, coat rack, shoe cabinet, drawer organiser, wardrobe | bamboo, steel, oak, felt | cluttered hallways, children's rooms, narrow niches, seasonal clothes | 6-450
Bathroom > Bath and shower | shower head, bath mat, shower curtain, soap dispenser, towel rail, toilet brush | chrome, bamboo, matt black, anti-slip | low water pressure, wet floors, small bathrooms, family mornings | 6-210
Office > Desk and stationery | fountain pen, notebook, office chair, document tray, whiteboard, paper shredder | recycled, leather, mesh, brushed steel | neat notes, back pain, meetings, confidential papers | 2-390
Toys > Building and craft | building blocks, marble run, craft set, model kit, easel, bead set | wooden, magnetic, washable, recycled | rainy afternoons, small hands, birthday presents, quiet hours | 6-130
Toys > Games and puzzles | board game, jigsaw puzzle, card game, chess set, dice game, logic puzzle | wooden, travel-size, cooperative, illustrated | family evenings, long train rides, two players, clever children | 5-95
Clothing > Jackets and workwear | rain jacket, work trousers, fleece, safety vest, softshell, overalls | waterproof, ripstop, merino, recycled | building sites, wet dog walks, cold workshops, windy ridges | 15-340
Clothing > Shoes and socks | hiking boots, safety shoes, wellington boots, wool socks, slippers, sandals | leather, waterproof, merino, vegan | muddy paths, long shifts, cold feet, beach holidays | 6-260
Pets > Dogs | dog bed, lead, dog coat, chew toy, feeding bowl, car harness | orthopaedic, reflective, natural rubber, stainless steel | rainy walks, old joints, strong chewers, safe car rides | 5-160
Pets > Cats | scratching post, cat tree, litter box, laser toy, cat carrier, water fountain | sisal, plush, bamboo, silent | indoor cats, saving the sofa, visits to the vet, fussy drinkers | 5-210
Baby > Baby essentials | baby carrier, night light, bottle set, changing mat, baby monitor, pushchair organiser | organic cotton, silicone, breathable, wipe-clean | newborns, short nights, days out, first meals | 6-240
"""
_BRANDS = [
    "Aldermoor",
    "Bexholm",
    "Corvane",
    "Dunmarsh",
    "Elkstrom",
    "Fenwright",
    "Galdera",
    "Harrowby",
    "Istmark",
    "Juniper & Lode",
    "Kestrel Works",
    "Lindqvam",
    "Morrowin",
    "Nordhaven",
    "Osterley",
    "Pellworth",
    "Quillan",
    "Ravensby",
    "Stellmark",
    "Thornecroft",
    "Ulverton",
    "Vantorp",
    "Wexbury",
    "Yarrowdale",
    "Zellmere",
    "Ashgrove",
    "Brinkel",
    "Castorin",
    "Drayholm",
    "Everstad",
]
_MANNERS = [
    "Compact",
    "Sturdy",
    "Professional",
    "Lightweight",
    "Classic",
    "Foldable",
    "Heavy-duty",
    "Quiet",
    "Premium",
    "Everyday",
    "Slim",
    "Weatherproof",
    "Easy-care",
    "Extra large",
    "Beginner's",
    "Travel",
]
_COLOURS = [
    "black",
    "white",
    "navy blue",
    "forest green",
    "anthracite",
    "red",
    "sand",
    "yellow",
    "grey",
    "natural",
]
_SIZES = [
    "small",
    "medium",
    "large",
    "20 cm",
    "30 cm",
    "45 cm",
    "60 cm",
    "90 cm",
    "120 cm",
    "set of 2",
    "set of 4",
    "set of 10",
]
_OPENINGS = (
    "Made for {use}, this {thing} does its work without fuss.",
    "A {thing} for {use} that lasts more than one season.",
    "Whoever needs a {thing} for {use} will like how simple it is.",
    "This {material} {thing} was built with {use} in mind.",
)
_MIDDLES = (
    "The {material} construction takes knocks and cleans up with a damp cloth.",
    "{brand} tests every piece and keeps spare parts for ten years.",
    "It weighs {weight} kg and stows away in any cupboard.",
    "In {colour}, {size}; also useful for {other}.",
)
_ENDINGS = (
    "Comes with a {years}-year warranty.",
    "Assembled in minutes, no tools needed.",
    "Packed without plastic.",
    "A good choice for {other}, too.",
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the products of one category are made from."""

    path: tuple[str, ...]
    things: list[str]
    materials: list[str]
    uses: list[str]
    prices: tuple[int, int]


def _parse(line: str) -> _Kind:
    path, things, materials, uses, prices = line.split(" | ")
    lowest, highest = prices.split("-")
    return _Kind(
        tuple(path.split(" > ")),
        things.split(", "),
        materials.split(", "),
        uses.split(", "),
        (int(lowest), int(highest)),
    )


KINDS = [_parse(line) for line in _KINDS.strip().splitlines()]


def generated_sku(number: int) -> str:
    """Return the SKU of the product with this number, from 1."""
    return f"GEN-{number:06d}"


def generate(number: int, seed: int, *, with_price: bool = True) -> dict[str, Any]:
    """Return the fields of one product, `category` as a path of names; the same for the same number and seed."""
    random = Random(f"{seed}:{number}")  # noqa: S311 (not a secret)
    pick = random.choice
    kind = pick(KINDS)
    words = {
        "thing": pick(kind.things),
        "material": pick(kind.materials),
        "use": pick(kind.uses),
        "other": pick(kind.uses),
        "brand": pick(_BRANDS),
        "colour": pick(_COLOURS),
        "size": pick(_SIZES),
        "weight": f"{random.uniform(0.1, 15):.1f}",
        "years": str(random.randint(2, 10)),
    }
    model = f"{pick('ABCDEFGHKLMNPRSTVWX')}{random.randint(10, 999)}"
    lowest, highest = kind.prices
    # More cheap things than dear ones, as in shops.
    price = Decimal(f"{lowest + (highest - lowest) * random.random() ** 2:.2f}")
    return {
        "sku": generated_sku(number),
        "name": f"{pick(_MANNERS)} {words['material']} {words['thing']} {model}, {words['size']}",
        "brand": words["brand"],
        "short_description": f"{words['material'].capitalize()} {words['thing']} for {words['use']}.",
        "description": " ".join(pick(texts).format(**words) for texts in (_OPENINGS, _MIDDLES, _ENDINGS)),
        "category": kind.path,
        "price": price if with_price else None,
        "attributes": {
            "colour": words["colour"],
            "material": words["material"],
            "size": words["size"],
            "weight kg": float(words["weight"]),
        },
    }
