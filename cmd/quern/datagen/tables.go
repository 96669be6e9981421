package datagen

import (
	"slices"

	"github.com/quern-engine/quern/plan"
)

// table is one of the tables of a set.
type table struct {
	name   string
	schema plan.Schema
	words  map[int][]string // what columns of few strings hold: a column has the indices
	plain  []string         // columns of too many values for a dictionary
	daily  bool             // it has a folder for each day
}

// The tables. Their columns are filled in by these positions.
const (
	impressionID = iota
	impressionRequest
	impressionSession
	impressionUser
	impressionItem
	impressionPosition
	impressionDevice
	impressionTime
	impressionAvailable
)

const (
	clickID = iota
	clickImpression
	clickRequest
	clickUser
	clickItem
	clickTime
	clickAvailable
)

const (
	conversionID = iota
	conversionClick
	conversionUser
	conversionItem
	conversionValue
	conversionTime
	conversionAvailable
)

// Of both tables of features; those of items have a price, too.
const (
	snapshotKey = iota
	snapshotTime
	snapshotAvailable
	snapshotCTR
	snapshotImpressions
	snapshotPrice
)

const (
	itemsItem = iota
	itemsCreated
	itemsCategory
	itemsBrand
	itemsPrice
)

const (
	usersUser = iota
	usersSignup
	usersCountry
	usersDevice
	usersInterest
	usersAge
)

var money = plan.Decimal(9, 2)

func column(name string, t plan.Type) plan.Field { return plan.Field{Name: name, Type: t} }

func nullable(name string, t plan.Type) plan.Field {
	return plan.Field{Name: name, Type: t, Nullable: true}
}

func schemaOf(fields ...plan.Field) plan.Schema { return plan.Schema{Fields: fields} }

var (
	devices    = []string{"android", "ios", "web", "tv"}
	countries  = []string{"BR", "DE", "FR", "GB", "IN", "JP", "MX", "US"}
	ages       = []string{"18-24", "25-34", "35-44", "45-54", "55+"}
	categories = []string{
		"art", "books", "cars", "cooking", "fashion", "film", "games", "garden",
		"health", "home", "music", "news", "pets", "science", "sports", "travel",
	}
)

var (
	impressions = &table{
		name: "impressions", daily: true,
		schema: schemaOf(column("event_id", plan.Int64), column("request_id", plan.Int64), column("session_id", plan.Int64),
			nullable("user_id", plan.Int64), column("item_id", plan.Int64), column("position", plan.Int32), nullable("device", plan.String),
			column("event_time", plan.Timestamp), column("available_at", plan.Timestamp)),
		words: map[int][]string{impressionDevice: devices},
		plain: []string{"event_id", "request_id", "session_id", "user_id", "item_id", "event_time", "available_at"},
	}
	clicks = &table{
		name: "clicks", daily: true,
		schema: schemaOf(column("event_id", plan.Int64), column("impression_id", plan.Int64), column("request_id", plan.Int64),
			nullable("user_id", plan.Int64), column("item_id", plan.Int64), column("event_time", plan.Timestamp), column("available_at", plan.Timestamp)),
		plain: []string{"event_id", "impression_id", "request_id", "user_id", "item_id", "event_time", "available_at"},
	}
	conversions = &table{
		name: "conversions", daily: true,
		schema: schemaOf(column("event_id", plan.Int64), column("click_id", plan.Int64), nullable("user_id", plan.Int64),
			column("item_id", plan.Int64), nullable("value", money), column("event_time", plan.Timestamp), column("available_at", plan.Timestamp)),
		plain: []string{"event_id", "click_id", "user_id", "item_id", "event_time", "available_at"},
	}
	itemFeatures = &table{
		name: "item_features", daily: true,
		schema: schemaOf(column("item_id", plan.Int64), column("feature_time", plan.Timestamp), column("available_at", plan.Timestamp),
			nullable("ctr", plan.Float64), column("impressions_7d", plan.Int64), column("price", money)),
		plain: []string{"item_id", "available_at"},
	}
	userFeatures = &table{
		name: "user_features", daily: true,
		schema: schemaOf(column("user_id", plan.Int64), column("feature_time", plan.Timestamp), column("available_at", plan.Timestamp),
			nullable("ctr", plan.Float64), column("impressions_7d", plan.Int64)),
		plain: []string{"user_id", "available_at"},
	}
	items = &table{
		name: "items",
		schema: schemaOf(column("item_id", plan.Int64), column("created_at", plan.Timestamp), column("category", plan.String),
			nullable("brand_id", plan.Int64), column("price", money)),
		words: map[int][]string{itemsCategory: categories},
		plain: []string{"item_id", "created_at"},
	}
	users = &table{
		name: "users",
		schema: schemaOf(column("user_id", plan.Int64), column("signup_time", plan.Timestamp), column("country", plan.String),
			column("device", plan.String), column("interest", plan.String), nullable("age", plan.String)),
		words: map[int][]string{usersCountry: countries, usersDevice: devices, usersInterest: categories, usersAge: ages},
		plain: []string{"user_id", "signup_time"},
	}
	tables = []*table{impressions, clicks, conversions, itemFeatures, userFeatures, items, users}
)

// available is the position of the column that says when a row could be read first.
func (t *table) available() int {
	return slices.Index(t.schema.Names(), "available_at")
}
